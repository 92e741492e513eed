"""What a worker tells Prometheus about itself."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class WorkerMetrics:
    """One registry of its own, so that many workers can live in one process."""

    def __init__(self, name: str, slots: int, running: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._heartbeats = Counter(
            "nucleus_worker_heartbeats",
            "Heartbeats that the master answered.",
            ["worker"],
            registry=self.registry,
        ).labels(name)
        gauge = Gauge(
            "nucleus_worker_running_jobs", "Jobs being run.", ["worker"], registry=self.registry
        )
        gauge.labels(name).set_function(running)
        slots_gauge = Gauge(
            "nucleus_worker_slots", "Jobs it can run at once.", ["worker"], registry=self.registry
        )
        slots_gauge.labels(name).set(slots)

    def beat(self) -> None:
        """A heartbeat was answered."""
        self._heartbeats.inc()
