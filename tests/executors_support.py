"""What the tests of the executors share: tasks, and a process executor with its reports."""

import json
import queue
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from nucleus.core.worker import Assignment, Report
from nucleus.jobs import JobType, Registry
from nucleus.jobs.types import echo, fast_fibonacci, poison, sleep
from nucleus.services.worker.executors import OnEnded, ProcessExecutor

QUIET = 0.3
"""Seconds without a report after which none is believed to come."""


def task(lease: int, job_type: str, payload: str, timeout: float | None = None) -> Assignment:
    """Return a task whose job is named after its lease."""
    return Assignment(f"job-{lease}", lease, job_type, payload, timeout, 1)


def into(reports: "queue.Queue[Report]") -> OnEnded:
    """Return what puts each report into ``reports``."""

    def on_ended(ended: Any) -> None:
        for report in ended:
            reports.put(report)

    return on_ended


class Jobs:
    """A process executor with two slots, and what it reported."""

    def __init__(self, slots: int = 2) -> None:
        self.registry = Registry()
        for name, function in (
            ("Echo", echo),
            ("Sleep", sleep),
            ("Poison", poison),
            ("FastFibonacci", fast_fibonacci),
        ):
            self.registry.register(JobType(name, function))
        self.reports: queue.Queue[Report] = queue.Queue()
        self.executor = ProcessExecutor(slots, self.registry)
        self.executor.start(into(self.reports))
        self.lease = 0

    def submit(
        self, job: str | Callable[[Any], Any], payload: Any = None, timeout: float | None = None
    ) -> int:
        """Submit a shipped type or a function of the test; return its lease."""
        return self.submit_many(job, [payload], timeout)[0]

    def submit_many(
        self, job: str | Callable[[Any], Any], payloads: list[Any], timeout: float | None = None
    ) -> list[int]:
        """Submit several at once; return their leases."""
        name = job if isinstance(job, str) else job.__name__
        if not isinstance(job, str):
            self.registry.register(JobType(name, job))
        leases = [self.lease + number for number in range(1, len(payloads) + 1)]
        self.lease += len(payloads)
        texts = [json.dumps(payload, ensure_ascii=False) for payload in payloads]
        self.executor.submit(
            [task(lease, name, text, timeout) for lease, text in zip(leases, texts, strict=True)]
        )
        return leases

    def ended(self) -> Report:
        """The next report."""
        return self.reports.get(timeout=60)

    def run(
        self, job: str | Callable[[Any], Any], payload: Any = None, timeout: float | None = None
    ) -> Report:
        """Submit, and return the report."""
        lease = self.submit(job, payload, timeout)
        ended = self.ended()
        assert ended.lease == lease
        return ended

    def warm_up(self, slot: int = 0) -> None:
        """Run so many quick jobs that a child is sent many at once from now on."""
        while self.executor._slots[slot]._depth < 16:
            self.run("Echo")

    def no_report_comes(self) -> bool:
        """Whether nothing is reported for a while."""
        try:
            return self.reports.get(timeout=QUIET) is None
        except queue.Empty:
            return True


@pytest.fixture
def process_jobs() -> Iterator[Jobs]:
    """Two slots; in the end nothing of them is left."""
    jobs = Jobs()
    yield jobs
    _stop(jobs)


@pytest.fixture
def one_slot() -> Iterator[Jobs]:
    """One slot; in the end nothing of it is left."""
    jobs = Jobs(slots=1)
    yield jobs
    _stop(jobs)


def _stop(jobs: Jobs) -> None:
    pids = jobs.executor.pids
    assert jobs.executor.stop() == []
    assert not any(psutil.pid_exists(pid) for pid in pids)


def alive(pid: int) -> bool:
    """Whether the process runs; an orphan may stay a zombie until init gets round to it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
