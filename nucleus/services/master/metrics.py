"""What a master tells Prometheus: state is read when it is rendered, durations are observed."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from nucleus.core.events import JobCompleted, JobFailed, JobLeased, JobRequeued
from nucleus.core.job import Job
from nucleus.core.ledger import Ledger
from nucleus.core.lifecycle import Status
from nucleus.core.worker import WorkerStatus

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)
_COMMIT_SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
_BATCH = (1, 2, 5, 10, 50, 100, 500, 1000, 5000)
_TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)

# Every reason is told from the beginning, as 0: of a counter that is born as 1 Prometheus cannot
# see that it grew.
_REQUEUED = ("failed", "left", "released", "replaced", "undelivered", "worker_lost")
_REJECTED = ("cancelled", "stale_lease", "unknown_job", "wrong_worker")


class Durations:
    """A histogram for the hot path: a bisection and two additions for each observation.

    ``prometheus_client``'s own takes a lock for each; here only the loop observes.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value`` in its bucket."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Add what was observed to a family, cumulated as the format wants it."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        family.add_metric(labels, buckets, self._sum)


OBSERVED = (JobLeased, JobCompleted, JobFailed, JobRequeued)
Observed = JobLeased | JobCompleted | JobFailed | JobRequeued


class MasterMetrics:
    """What happened to jobs and commits since this master started."""

    def __init__(self) -> None:
        self._wait = Durations(_SECONDS)
        self._run: dict[str, Durations] = {}  # by job type
        self._commit = Durations(_COMMIT_SECONDS)
        self._batch = Durations(_BATCH)

    def observe_commit(self, seconds: float, events: int) -> None:
        """A commit of ``events`` events took ``seconds``."""
        self._commit.observe(seconds)
        self._batch.observe(events)

    def observe(self, event: Observed, job: Job) -> None:
        """``event`` happened to ``job``."""
        if isinstance(event, JobLeased):
            if job.attempts == 0 and not job.front:  # later leases would count earlier runs
                self._wait.observe(event.at - job.not_before)
        elif isinstance(event, JobCompleted) or event.reason == "failed":
            # A worker said how long the attempt ran; a lost one never does.
            run = self._run.get(job.job_type)
            if run is None:
                run = self._run[job.job_type] = Durations(_SECONDS)
            run.observe(event.run_seconds)

    def collect(self) -> Iterator[Metric]:
        """All families."""
        for name, text, durations in (
            (
                "nucleus_job_wait_seconds",
                "From when a job could run to its first lease.",
                self._wait,
            ),
            ("nucleus_commit_seconds", "How long commits took.", self._commit),
            ("nucleus_commit_batch_size", "Events that shared one commit.", self._batch),
        ):
            family = HistogramMetricFamily(name, text)
            durations.add_to(family)
            yield family
        text = "How long attempts ran, as their workers measured it."
        runs = HistogramMetricFamily("nucleus_job_run_seconds", text, labels=["job_type"])
        for job_type, durations in self._run.items():
            durations.add_to(runs, [job_type])
        yield runs


class MasterCollector:
    """Everything a master tells, read from its ledger when it is collected."""

    def __init__(self, ledger: Ledger, metrics: MasterMetrics, now: float) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All families."""
        ledger = self._ledger
        counts, totals = ledger.counts(), ledger.totals
        yield _gauge("nucleus_jobs", "Jobs by status.", "status", _lower(counts))
        yield CounterMetricFamily(
            "nucleus_jobs_submitted", "Jobs taken in.", value=totals.submitted
        )
        finished = {s.name.lower(): totals.finished.get(s.name, 0) for s in _TERMINAL}
        yield _counter("nucleus_jobs_finished", "Jobs that ended.", "outcome", finished)
        yield _counter(
            "nucleus_jobs_requeued",
            "Leases that ended without a result.",
            "reason",
            {**dict.fromkeys(_REQUEUED, 0), **totals.requeued},
        )
        yield _counter(
            "nucleus_results_rejected",
            "Reports that were refused.",
            "reason",
            {**dict.fromkeys(_REJECTED, 0), **totals.rejected},
        )
        yield GaugeMetricFamily(
            "nucleus_queue_oldest_age_seconds",
            "How long the longest-waiting queued job has waited.",
            value=ledger.oldest_queued_age(self._now),
        )
        yield _gauge("nucleus_workers", "Workers by state.", "state", _worker_states(ledger))
        yield GaugeMetricFamily(
            "nucleus_master_epoch", "Which life of a master this is.", value=ledger.epoch
        )
        yield from self._metrics.collect()


def _worker_states(ledger: Ledger) -> dict[str, int]:
    states = [worker.status.value for worker in ledger.roster]
    return {status.value: states.count(status.value) for status in WorkerStatus}


def _lower(counts: dict[str, int]) -> dict[str, int]:
    return {name.lower(): count for name, count in counts.items()}


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _counter(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
