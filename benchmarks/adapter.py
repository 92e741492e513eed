"""What the benchmark needs from a job queue to measure it.

An adapter starts the servers and two kinds of jobs of one queue (Nucleus or a peer) and hides
how it submits and collects. Its docstring names the settings, and the pages or the
measurement that they come from: each queue runs in the fastest sensible configuration that it
documents. A queue that offers several ways to submit offers them all in ``ways``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from importlib import metadata
from typing import Any, ClassVar

from benchmarks.jobs import Job
from benchmarks.processes import Processes

PATIENCE = 120.0  # seconds to wait for any one result
SERVER = "BENCHMARK_SERVER"  # environment variable that tells a peer's worker its broker


class Way(StrEnum):
    """How jobs are handed in."""

    EACH = "one call per job"
    ACKNOWLEDGED = "each acknowledged before the next"
    BATCH = "one call for all jobs"
    EXECUTED = "one call per job, no results"


Submit = Callable[[Job, Sequence[Any]], Sequence[Any]]


class Adapter(ABC):
    """One queue in one configuration. ``start``, then measure, then ``stop``; then again."""

    name: ClassVar[str]
    durability: ClassVar[str]  # of an acknowledged submit
    returns_early: ClassVar[bool] = False  # its submit returns before the acknowledgement
    queues_alone: ClassVar[bool] = True  # takes jobs in while no worker is there
    distributions: ClassVar[Sequence[str]]  # Python distributions whose versions matter

    def __init__(self, key: str) -> None:
        self.key = key  # its name in ``ADAPTERS``
        self.processes = Processes()
        self.server = ""  # address, for `connect` in another process

    def start(self, workers: int = 2) -> None:
        """Start the server and ``workers`` worker processes, connect, and warm up."""
        try:
            self.server = self.start_server()
            self.start_workers(workers)
            self.connect(self.server)
            if workers:
                self.collect(self.ways[Way.EACH](Job.ECHO, range(20 * workers)))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; the adapter can be started again."""
        try:
            self.disconnect()
        finally:
            self.processes.stop()
            self.processes = Processes()

    @abstractmethod
    def start_server(self) -> str:
        """Start whatever keeps the jobs; return its address."""

    @abstractmethod
    def start_workers(self, count: int) -> None:
        """Start worker processes, each with one job at a time."""

    @abstractmethod
    def connect(self, server: str) -> None:
        """Make what submits and collects."""

    def disconnect(self) -> None:
        """Let go of what ``connect`` made, if it did; may be called again."""
        return None

    @property
    @abstractmethod
    def ways(self) -> Mapping[Way, Submit]:
        """The ways to submit that the queue offers: each returns a handle for each payload."""

    @abstractmethod
    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Return the results, in order; raises when one is missing."""

    def settle(self, handles: Sequence[Any]) -> None:
        """Wait until these submits are acknowledged; where a submit waits itself, they are."""
        return None

    def forget(self) -> None:
        """Let go of what the client keeps for each job that was submitted, if it does."""
        return None

    def versions(self) -> dict[str, str]:
        """Return the versions of what does the work."""
        return {name: metadata.version(name) for name in self.distributions}
