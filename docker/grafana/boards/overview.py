"""The first look: traffic, latency, errors and saturation of the whole queue."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.board import board
from boards.panels import COUNT, JOBS_PER_SECOND, SECONDS, SHARE, lines, number

WAIT = "cluster:nucleus_job_wait_seconds:quantile_rate1m"
PER_COMMIT = "nucleus_commit_batch_size"

_NOW = [
    number(
        "Waiting",
        "Jobs that wait for a worker, those that wait for their time included.",
        COUNT,
        {"queued": 'sum(nucleus_jobs{status="queued"})'},
    ),
    number(
        "Running",
        "Jobs that a worker holds: being run, or sent ahead to it.",
        COUNT,
        {"running": 'sum(nucleus_jobs{status="running"})'},
    ),
    number(
        "Finished",
        "Jobs that ended in the last minute, per second, however they ended.",
        JOBS_PER_SECOND,
        {"finished": "sum(outcome:nucleus_jobs_finished:rate1m)"},
    ),
    number(
        "Longest wait",
        "How long ago the longest-waiting job could have run. From 60 s on the alert "
        "NucleusQueueAgeing fires.",
        SECONDS,
        {"oldest": "max(nucleus_queue_oldest_age_seconds)"},
        steps=[(None, "green"), (30, "yellow"), (60, "red")],
    ),
    number(
        "Workers",
        "Workers that the master counts on.",
        COUNT,
        {"alive": 'sum(nucleus_workers{state="alive"})'},
        steps=[(None, "red"), (1, "green")],
    ),
    number(
        "Alerts",
        "Alerts of Nucleus that fire now; docs/monitoring.md says what to do for each.",
        COUNT,
        {"firing": 'count(ALERTS{alertstate="firing", alertname=~"Nucleus.*"}) or vector(0)'},
        steps=[(None, "green"), (1, "red")],
    ),
]

_TRAFFIC = [
    lines(
        "In and out",
        "Jobs taken in, and jobs that ended by how they ended. The queue grows while the first "
        "line is above the sum of the others.",
        JOBS_PER_SECOND,
        {
            "submitted": "cluster:nucleus_jobs_submitted:rate1m",
            "{{outcome}}": "outcome:nucleus_jobs_finished:rate1m",
        },
        colors={
            "submitted": "blue",
            "completed": "green",
            "failed": "red",
            "cancelled": "yellow",
        },
        width=12,
    ),
    lines(
        "Attempts by job type",
        "Attempts that a worker ran to an end. A job that is tried again has several.",
        "suffix:attempts/s",
        {
            "{{job_type}}": (
                "sum by (job_type) (rate(nucleus_job_run_seconds_count[$__rate_interval]))"
            )
        },
        stacked=True,
        width=12,
    ),
]

_LATENCY = [
    lines(
        "Wait",
        "From when a job could run to its first lease, of the jobs leased in the last minute: "
        "half of them waited less than p50, 19 of 20 less than p95.",
        SECONDS,
        {"p50": f'{WAIT}{{quantile="0.5"}}', "p95": f'{WAIT}{{quantile="0.95"}}'},
    ),
    lines(
        "Run, p95",
        "How long attempts ran, as their workers measured it: 19 of 20 took less.",
        SECONDS,
        {"{{job_type}}": 'job_type:nucleus_job_run_seconds:quantile_rate1m{quantile="0.95"}'},
    ),
    lines(
        "Commit",
        "How long the master's commits took. Nothing is acknowledged before its commit, so a "
        "slow disk shows here first.",
        SECONDS,
        {
            f"p{name}": (
                f"histogram_quantile({quantile}, sum by (le) "
                "(rate(nucleus_commit_seconds_bucket[$__rate_interval])))"
            )
            for name, quantile in (("50", 0.5), ("99", 0.99))
        },
    ),
]

_ERRORS = [
    lines(
        "Failed jobs",
        "Share of the jobs ended in the last five minutes that used up their attempts.",
        SHARE,
        {"failed": "cluster:nucleus_jobs_failed:ratio_rate5m"},
        colors={"failed": "red"},
    ),
    lines(
        "Re-queued",
        "Leases that ended without a result, by reason; the job waits again. worker_lost: its "
        "worker fell silent. failed: an attempt failed, and another one is left.",
        JOBS_PER_SECOND,
        {"{{reason}}": ("sum by (reason) (rate(nucleus_jobs_requeued_total[$__rate_interval]))")},
    ),
    lines(
        "Results refused",
        "Reports under a lease that no longer holds, by reason. stale_lease: the worker was "
        "given up on, and came back. cancelled: somebody cancelled the job meanwhile.",
        "suffix:results/s",
        {
            "{{reason}}": (
                "sum by (reason) (rate(nucleus_results_rejected_total[$__rate_interval]))"
            )
        },
    ),
]

_SATURATION = [
    lines(
        "Jobs in hand",
        "Jobs that have not ended.",
        COUNT,
        {"{{status}}": 'sum by (status) (nucleus_jobs{status=~"queued|running"})'},
        colors={"queued": "orange", "running": "blue"},
        stacked=True,
        width=6,
    ),
    lines(
        "Longest wait",
        "The age of the longest-waiting job. While it grows by a second each second, the job at "
        "the head of the queue does not move.",
        SECONDS,
        {"oldest": "max(nucleus_queue_oldest_age_seconds)"},
        limit=60,
        width=6,
    ),
    lines(
        "Busy slots",
        "Share of the slots of the workers that are heard in which a job runs. At 100 % more "
        "work means a longer queue.",
        SHARE,
        {"busy": "cluster:nucleus_worker_slots_busy:ratio"},
        width=6,
    ),
    lines(
        "Events per commit",
        "How many events share one commit, on average. It grows with the load: that is how the "
        "master keeps up with a disk that syncs only so often.",
        "suffix:events",
        {
            "mean": (
                f"sum(rate({PER_COMMIT}_sum[$__rate_interval]))"
                f" / sum(rate({PER_COMMIT}_count[$__rate_interval]))"
            )
        },
        width=6,
    ),
]


def overview() -> Dashboard:
    """The dashboard at ``/d/nucleus-overview``."""
    return board(
        "overview",
        "overview",
        "The four golden signals of the queue. Marks across the graphs are faults.",
        [
            ("Now", _NOW),
            ("Traffic", _TRAFFIC),
            ("Latency", _LATENCY),
            ("Errors", _ERRORS),
            ("Saturation", _SATURATION),
        ],
    )
