"""What every executor promises to the worker.

The worker submits the leases that it wants run, at most ``capacity`` at once, and hears of
the end of each exactly once: through a report, through ``cancel`` returning True, or through
``withdraw`` naming it. After ``stop`` nothing is reported any more.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from nucleus.core.worker import Assignment, Report
from nucleus.jobs.run import Outcome

QUEUED_AHEAD = 1024
"""Tasks that an executor with a queue of its own takes beyond those that run: as many as a
worker may hold, so that no task waits for the worker while a slot is free."""

OnEnded = Callable[[Sequence[Report]], None]
"""Called from any thread with the ends of tasks, also from inside of ``submit``; with none of
them when a slot that was ``blocked`` has become free. It must return at once, because the
executor waits for it, and must not call ``stop``."""


class Executor(Protocol):
    """Runs tasks, ``slots`` at once, and begins them in the order submitted."""

    slots: int
    capacity: int  # tasks that it takes: those beyond ``slots`` wait for their turn

    @property
    def running(self) -> tuple[int, ...]:
        """The leases whose jobs run now, also those given up on that cannot be stopped."""

    @property
    def blocked(self) -> int:
        """How many slots are taken by jobs given up on that cannot be stopped."""

    def start(self, on_ended: OnEnded) -> None:
        """Get ready to run tasks; does not wait until everything is warm."""

    def submit(self, tasks: Sequence[Assignment]) -> None:
        """Run ``tasks``; raises FailedPrecondition when stopped.

        Whether a task is legal shows when it ends: then with an error.
        """

    def cancel(self, lease: int) -> bool:
        """Try to stop the attempt.

        True: it is stopped or was never begun, and no report comes. False: it cannot be
        stopped (a report comes when it ends), or has ended already.
        """

    def withdraw(self) -> list[int]:
        """Return the leases of all tasks that have not begun; they never will."""

    def stop(self) -> list[str]:
        """Stop at once, and return the names of the jobs that run on, like ``lease 12: Sleep``.

        May be called twice. No report comes afterwards.
        """


def ended(task: Assignment, outcome: Outcome, output: str, seconds: float) -> Report:
    """Return the report that ``task`` ended with ``outcome`` after so many ``seconds``."""
    return Report(
        task.job_id,
        task.lease,
        outcome.result,
        outcome.error,
        output=output,
        run_seconds=seconds,
    )


def timed_out(timeout: float) -> Outcome:
    """Return the outcome of an attempt that took longer than ``timeout`` seconds."""
    return Outcome(None, f"timed out after {float(timeout)} s")


def label(task: Assignment) -> str:
    """Return the name of an attempt for people: ``lease 12: Sleep``."""
    return f"lease {task.lease}: {task.job_type}"
