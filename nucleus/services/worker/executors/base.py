"""What every executor promises to the worker.

The worker submits a ``Task`` for each lease it wants run, never more than ``slots`` at
once, and hears of its end exactly once: through ``report``, or through ``cancel``
returning True. After ``stop`` nothing is reported any more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nucleus.jobs.run import Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at one job."""

    lease: int  # the fencing token of the attempt
    job_type: str
    payload: str  # JSON text, checked already
    timeout: float | None  # seconds that it may run, or no limit


@dataclass(frozen=True, slots=True)
class Finished:
    """How an attempt ended: exactly one of ``result`` and ``error`` is not None."""

    lease: int
    result: str | None  # JSON text
    error: str | None
    output: str  # the end of what the job printed, then the traceback if it raised
    seconds: float  # how long it ran


Report = Callable[[Finished], None]
"""Called from any thread, also from inside of ``submit``. It must return at once, because
the executor waits for it, and must not call ``stop``."""


class Executor(Protocol):
    """Runs tasks, ``slots`` at once."""

    slots: int

    @property
    def occupied(self) -> int:
        """How many slots are taken, also by jobs given up on that cannot be stopped."""

    def start(self, report: Report) -> None:
        """Get ready to run tasks; does not wait until everything is warm."""

    def submit(self, task: Task) -> None:
        """Run ``task``; raises FailedPrecondition when stopped."""

    def cancel(self, lease: int) -> bool:
        """Try to stop the attempt.

        True: it is stopped, its slot is free, and no report comes. False: it cannot be
        stopped (a report comes when it ends), or has ended already.
        """

    def stop(self) -> list[str]:
        """Stop at once, and return the names of the jobs that run on, like ``lease 12: Sleep``.

        May be called twice. No report comes afterwards.
        """


def finished(task: Task, outcome: Outcome, output: str, seconds: float) -> Finished:
    """Return ``outcome`` as the report about ``task``."""
    return Finished(task.lease, outcome.result, outcome.error, output, seconds)


def timed_out(timeout: float) -> Outcome:
    """Return the outcome of an attempt that took longer than ``timeout`` seconds."""
    return Outcome(None, f"timed out after {float(timeout)} s")


def label(task: Task) -> str:
    """Return the name of an attempt for people: ``lease 12: Sleep``."""
    return f"lease {task.lease}: {task.job_type}"
