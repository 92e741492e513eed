"""What kinds of jobs there are, how long they take, and who takes the workers' time."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from boards.board import board, choice
from boards.panels import (
    ATTEMPTS_PER_SECOND,
    COUNT,
    JOBS_PER_SECOND,
    SECONDS,
    SHARE,
    bars,
    clouds,
    columns,
    lines,
)

CHOSEN = '{job_type=~"$job_type"}'
RUN = "nucleus_job_run_seconds"
QUANTILE = "job_type:nucleus_job_run_seconds:quantile_rate1m"


def _rate(part: str, window: str) -> str:
    """How fast the count or the sum of the runs of each type grows."""
    return f"sum by (job_type) (rate({RUN}_{part}{CHOSEN}[{window}]))"


def _quantile(quantile: str) -> str:
    return f'{QUANTILE}{{job_type=~"$job_type", quantile="{quantile}"}}'


_TRAFFIC = [
    lines(
        "Attempts",
        "Attempts that a worker ran to an end, whether they completed or failed. Those that were "
        "lost with their worker are not here: nobody knows how long they ran.",
        ATTEMPTS_PER_SECOND,
        {"{{job_type}}": _rate("count", "$__rate_interval")},
        width=12,
    ),
    lines(
        "Slots in use",
        "Worker time that each type takes: seconds of running per second, which is the number "
        "of slots that it keeps busy. Counted when an attempt ends, so long jobs come in steps.",
        "suffix:slots",
        {"{{job_type}}": _rate("sum", "$__rate_interval")},
        stacked=True,
        width=12,
    ),
]

_RUN = [
    lines(
        "Run, p50",
        "Half of the attempts of the last minute took less.",
        SECONDS,
        {"{{job_type}}": _quantile("0.5")},
    ),
    lines(
        "Run, p95",
        "19 of 20 attempts of the last minute took less. Far above p50: a few payloads are much "
        "more work than the rest.",
        SECONDS,
        {"{{job_type}}": _quantile("0.95")},
    ),
    lines(
        "Run, mean",
        "Time in total by number of attempts: what one more job of this type will cost.",
        SECONDS,
        {
            "{{job_type}}": (
                f"{_rate('sum', '$__rate_interval')} / ({_rate('count', '$__rate_interval')} > 0)"
            )
        },
    ),
    clouds(
        "How long they run",
        "Attempts of the chosen types by how long they took. Two bands are two kinds of payload, "
        "or two kinds of machine.",
        SECONDS,
        f"sum by (le) (increase({RUN}_bucket{CHOSEN}[$__rate_interval]))",
        width=16,
    ),
    bars(
        "Share of the workers' time",
        "Of the time that the workers spent on the chosen types, over the range shown.",
        SHARE,
        {"{{job_type}}": (f"{_rate('sum', '$__range')} / scalar(sum({_rate('sum', '$__range')}))")},
    ),
]

_ALL = [
    columns(
        "Each type",
        "Over the range shown: attempts that ended, time that they took, and half and 19 of 20 "
        "of the last minute's attempts.",
        "job_type",
        {
            "attempts": (COUNT, f"sum by (job_type) (increase({RUN}_count{CHOSEN}[$__range]))"),
            "worker time": (SECONDS, f"sum by (job_type) (increase({RUN}_sum{CHOSEN}[$__range]))"),
            "p50": (SECONDS, f"sum by (job_type) ({_quantile('0.5')})"),
            "p95": (SECONDS, f"sum by (job_type) ({_quantile('0.95')})"),
        },
        width=12,
    ),
    lines(
        "Wait, all types",
        "From when a job could run to its first lease. The queue is one for all types, and so is "
        "this: a type whose jobs are long makes those of others wait.",
        SECONDS,
        {
            f"p{name}": f'cluster:nucleus_job_wait_seconds:quantile_rate1m{{quantile="{quantile}"}}'
            for name, quantile in (("50", "0.5"), ("95", "0.95"))
        },
        width=6,
    ),
    lines(
        "Ended, all types",
        "Jobs that ended, by how. An attempt that fails and is tried again is no failed job.",
        JOBS_PER_SECOND,
        {"{{outcome}}": "outcome:nucleus_jobs_finished:rate1m"},
        colors={"completed": "green", "failed": "red", "cancelled": "yellow"},
        width=6,
    ),
]


def job_types() -> Dashboard:
    """The dashboard at ``/d/nucleus-job-types``."""
    return board(
        "job-types",
        "job types",
        "Attempts and their run time by job type. Marks across the graphs are faults.",
        [("Traffic", _TRAFFIC), ("Run time", _RUN), ("Types", _ALL)],
        choice("job_type", "Job type", "label_values(nucleus_job_run_seconds_count, job_type)"),
    )
