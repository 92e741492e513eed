"""The executor that stands on anybody's ``concurrent.futures.Executor``: Dask's, a pool …

A running call cannot be stopped through a future. So ``cancel`` stops only what has not
begun, and a timeout is reported at once while the call goes on: its slot stays taken
(``blocked``) until the function returns, and what it returns then is thrown away.
"""

import threading
import time
from collections.abc import Sequence
from concurrent import futures
from dataclasses import dataclass, field

from nucleus.core.errors import FailedPrecondition, InvalidArgument
from nucleus.core.worker import Assignment, Report
from nucleus.jobs import Registry
from nucleus.jobs.functions import carry
from nucleus.jobs.run import Outcome, describe, run_carried
from nucleus.services.worker.executors.base import OnEnded, ended, label, timed_out
from nucleus.services.worker.executors.output import bounded


@dataclass(slots=True, eq=False)
class _Attempt:
    """A task that the executor has."""

    task: Assignment
    future: "futures.Future[Outcome]"
    started: float = field(default_factory=time.monotonic)
    timer: threading.Timer | None = None
    dropped: bool = False  # by us: should the future end up cancelled, it is no news
    reported: bool = False

    def end(self, outcome: Outcome) -> Report:
        seconds = time.monotonic() - self.started
        return ended(self.task, outcome, bounded(outcome.traceback), seconds)


class FuturesExecutor:
    """Runs tasks on any ``concurrent.futures.Executor``, which stays its owner's to close.

    Functions travel by cloudpickle. What a job prints goes wherever that executor sends it;
    the output of an attempt is its traceback, if it raised. Only as many tasks as there are
    slots are taken, because nobody but their owner knows how many that executor runs at once.
    A timeout runs from when the task was submitted.
    """

    def __init__(self, executor: futures.Executor, slots: int, registry: Registry) -> None:
        self.slots = self.capacity = slots
        self._executor = executor
        self._registry = registry
        self._lock = threading.Lock()
        self._attempts: dict[int, _Attempt] = {}  # by lease, until their functions end
        self._on_ended: OnEnded | None = None  # None: not started, or stopped

    @property
    def running(self) -> tuple[int, ...]:
        """The leases of all functions that have not ended, timed-out ones included."""
        with self._lock:
            return tuple(self._attempts)

    @property
    def blocked(self) -> int:
        """How many slots are taken by timed-out jobs."""
        with self._lock:
            return sum(attempt.reported for attempt in self._attempts.values())

    def start(self, on_ended: OnEnded) -> None:
        """Report the ends of tasks to ``on_ended`` from now on."""
        self._on_ended = on_ended

    def submit(self, tasks: Sequence[Assignment]) -> None:
        """Run ``tasks``; raises FailedPrecondition when stopped."""
        for task in tasks:
            self._submit(task)

    def _submit(self, task: Assignment) -> None:
        with self._lock:
            if self._on_ended is None:
                raise FailedPrecondition("the executor is stopped")
            attempt = self._attempts[task.lease] = _Attempt(task, self._begin(task))
            if task.timeout is not None:
                attempt.timer = threading.Timer(task.timeout, self._overdue, (attempt,))
                attempt.timer.daemon = True
                attempt.timer.start()
        attempt.future.add_done_callback(lambda _: self._done(attempt))

    def cancel(self, lease: int) -> bool:
        """Stop ``lease`` if its function has not begun."""
        with self._lock:
            attempt = self._attempts.get(lease)
            if attempt is None:
                return False
            attempt.dropped = True
        return attempt.future.cancel()

    def withdraw(self) -> list[int]:
        """Take back what has not begun."""
        return [lease for lease in self.running if self.cancel(lease)]

    def stop(self) -> list[str]:
        """Cancel what has not begun, and return the names of the jobs that run on."""
        with self._lock:
            self._on_ended = None
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.future.cancel()
            if attempt.timer is not None:
                attempt.timer.cancel()
                attempt.timer.join()
        with self._lock:
            return [label(attempt.task) for attempt in self._attempts.values()]

    def _begin(self, task: Assignment) -> "futures.Future[Outcome]":
        """Return the future of ``task``; one that has failed already if it cannot begin."""
        try:
            job_type = self._registry.get(task.job_type)
            carried = carry(job_type.function)
            return self._executor.submit(run_carried, carried, task.payload)
        except Exception as error:  # Not known, not to be pickled, or the executor broke.
            failed: futures.Future[Outcome] = futures.Future()
            failed.set_exception(error)
            return failed

    def _overdue(self, attempt: _Attempt) -> None:
        """Report the timeout; the slot stays taken until the function ends."""
        with self._lock:
            if attempt.reported or attempt.task.timeout is None:
                return
            attempt.reported = attempt.dropped = True
            on_ended = self._on_ended
        if on_ended is not None:
            on_ended([attempt.end(timed_out(attempt.task.timeout))])
        attempt.future.cancel()

    def _done(self, attempt: _Attempt) -> None:
        """Free the slot, and report the end unless that was done or nobody wants it.

        When it was done, by the timeout, what is reported is that the slot is free.
        """
        with self._lock:
            del self._attempts[attempt.task.lease]
            freed, attempt.reported = attempt.reported, True
            unwanted = not freed and attempt.dropped and attempt.future.cancelled()
            on_ended = None if unwanted else self._on_ended
        if attempt.timer is not None:
            attempt.timer.cancel()
        if on_ended is not None:
            on_ended([] if freed else [attempt.end(_outcome(attempt.future))])


def _outcome(future: "futures.Future[Outcome]") -> Outcome:
    if future.cancelled():
        return Outcome(None, "the executor gave the job up")
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(None, str(error) if isinstance(error, InvalidArgument) else describe(error))
