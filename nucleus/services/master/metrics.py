"""What a master tells Prometheus: state is read when it is rendered, durations are observed."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from nucleus.core.events import Event, JobCompleted, JobFailed, JobLeased
from nucleus.core.job import Job
from nucleus.core.ledger import Ledger
from nucleus.core.lifecycle import Status
from nucleus.core.worker import WorkerStatus

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)
_COMMIT_SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
_BATCH = (1, 2, 5, 10, 50, 100, 500, 1000, 5000)
_TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class MasterMetrics:
    """One registry of its own, so that several masters can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._wait = self._histogram(
            "nucleus_job_wait_seconds", "From when a job could run to its lease.", _SECONDS
        )
        self._run = Histogram(
            "nucleus_job_run_seconds",
            "How long attempts ran, as their workers measured it.",
            ["job_type"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._commit = self._histogram(
            "nucleus_commit_seconds", "How long commits took.", _COMMIT_SECONDS
        )
        self._batch = self._histogram(
            "nucleus_commit_batch_size", "Events that shared one commit.", _BATCH
        )

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, buckets=buckets, registry=self.registry)

    def observe_commit(self, seconds: float, events: int) -> None:
        """A commit of ``events`` events took ``seconds``."""
        self._commit.observe(seconds)
        self._batch.observe(events)

    def observe(self, event: Event, job: Job | None) -> None:
        """``event`` happened to ``job``."""
        if job is None:
            return
        match event:
            case JobLeased(at=at):
                self._wait.observe(max(0.0, at - max(job.submitted_at, job.not_before)))
            case JobCompleted(run_seconds=seconds) | JobFailed(run_seconds=seconds):
                self._run.labels(job.job_type).observe(seconds)


class LedgerCollector:
    """Reads the ledger each time it is collected."""

    def __init__(self, ledger: Callable[[], Ledger], now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._now = now

    def describe(self) -> list[Metric]:
        """Nothing before the first collection: there may be no ledger yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        ledger = self._ledger()
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
            totals.requeued,
        )
        yield _counter(
            "nucleus_results_rejected", "Reports that were refused.", "reason", totals.rejected
        )
        yield GaugeMetricFamily(
            "nucleus_queue_oldest_age_seconds",
            "How long the longest-waiting queued job has waited.",
            value=ledger.oldest_queued_age(self._now()),
        )
        yield _gauge("nucleus_workers", "Workers by state.", "state", _worker_states(ledger))
        yield GaugeMetricFamily(
            "nucleus_master_epoch", "Which life of a master this is.", value=ledger.epoch
        )


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
