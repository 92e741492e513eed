"""Executors that stand on ``concurrent.futures``: anybody's, or threads of this process.

A running call cannot be stopped through a future. So ``cancel`` stops only what has not
begun, and a timeout is reported at once while the call goes on: its slot stays taken
(``occupied``) until the function returns, and what it returns then is thrown away.
"""

import threading
import time
from concurrent import futures
from dataclasses import dataclass, field

from nucleus.core.errors import FailedPrecondition, InvalidArgument
from nucleus.jobs import JobType, Registry
from nucleus.jobs.functions import carry
from nucleus.jobs.run import Outcome, describe, run, run_carried
from nucleus.services.common.threads import DaemonThreads
from nucleus.services.worker.executors.base import (
    Finished,
    Report,
    Task,
    finished,
    label,
    timed_out,
)
from nucleus.services.worker.executors.output import BoundedOutput


@dataclass(slots=True, eq=False)
class _Attempt:
    """A task that the executor has."""

    task: Task
    future: "futures.Future[Outcome]"
    started: float = field(default_factory=time.monotonic)
    timer: threading.Timer | None = None
    dropped: bool = False  # by us: should the future end up cancelled, it is no news
    reported: bool = False

    def end(self, outcome: Outcome) -> Finished:
        output = BoundedOutput()
        output.add(outcome.traceback.encode())
        seconds = time.monotonic() - self.started
        return finished(self.task, outcome, output.text(), seconds)


class FuturesExecutor:
    """Runs tasks on any ``concurrent.futures.Executor``, which stays its owner's to close.

    Functions travel by cloudpickle. What a job prints goes wherever that executor sends it;
    the output of an attempt is its traceback, if it raised. A task beyond ``slots`` waits
    until one is free, and its timeout runs from when it was submitted.
    """

    def __init__(self, executor: futures.Executor, slots: int, registry: Registry) -> None:
        self.slots = slots
        self._executor = executor
        self._registry = registry
        self._lock = threading.Lock()
        self._attempts: dict[int, _Attempt] = {}  # by lease, until their functions end
        self._report: Report | None = None  # None: not started, or stopped

    @property
    def occupied(self) -> int:
        """How many slots are taken, those of timed-out jobs that still run included."""
        with self._lock:
            return len(self._attempts)

    def start(self, report: Report) -> None:
        """Report the ends of tasks to ``report`` from now on."""
        self._report = report

    def submit(self, task: Task) -> None:
        """Run ``task``; raises FailedPrecondition when stopped."""
        with self._lock:
            if self._report is None:
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

    def stop(self) -> list[str]:
        """Cancel what has not begun, and return the names of the jobs that run on."""
        with self._lock:
            self._report = None
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.future.cancel()
            if attempt.timer is not None:
                attempt.timer.cancel()
                attempt.timer.join()
        with self._lock:
            return [label(attempt.task) for attempt in self._attempts.values()]

    def _begin(self, task: Task) -> "futures.Future[Outcome]":
        """Return the future of ``task``; one that has failed already if it cannot begin."""
        try:
            job_type = self._registry.get(task.job_type)
            return self._call(job_type, task.payload)
        except Exception as error:  # Not known, not to be pickled, or the executor broke.
            failed: futures.Future[Outcome] = futures.Future()
            failed.set_exception(error)
            return failed

    def _call(self, job_type: JobType, payload: str) -> "futures.Future[Outcome]":
        return self._executor.submit(run_carried, carry(job_type.function), payload)

    def _overdue(self, attempt: _Attempt) -> None:
        """Report the timeout; the slot stays taken until the function ends."""
        with self._lock:
            if attempt.reported or attempt.task.timeout is None:
                return
            attempt.reported = attempt.dropped = True
            report = self._report
        if report is not None:
            report(attempt.end(timed_out(attempt.task.timeout)))
        attempt.future.cancel()

    def _done(self, attempt: _Attempt) -> None:
        """Free the slot, and report the end unless that was done or nobody wants it."""
        with self._lock:
            del self._attempts[attempt.task.lease]
            unwanted = attempt.dropped and attempt.future.cancelled()
            report = None if attempt.reported or unwanted else self._report
            attempt.reported = True
        if attempt.timer is not None:
            attempt.timer.cancel()
        if report is not None:
            report(attempt.end(_outcome(attempt.future)))


class ThreadExecutor(FuturesExecutor):
    """Runs tasks in threads of this process.

    Daemon threads, so that a job which cannot be stopped does not keep the interpreter
    from ending. A job that holds the interpreter lock stops the whole process meanwhile,
    heartbeats included: that is what the process executor is for.
    """

    def __init__(self, slots: int, registry: Registry) -> None:
        self._threads = DaemonThreads(slots, "job-thread")
        super().__init__(self._threads, slots, registry)

    def stop(self) -> list[str]:
        """Stop, and return the names of the jobs that run on in their threads."""
        names = super().stop()
        self._threads.shutdown(wait=True)
        return names

    def _call(self, job_type: JobType, payload: str) -> "futures.Future[Outcome]":
        if job_type.kills_process:
            raise InvalidArgument(
                f"{job_type.name} would kill this process; use the process executor"
            )
        return self._threads.submit(run, job_type.function, payload)


def _outcome(future: "futures.Future[Outcome]") -> Outcome:
    if future.cancelled():
        return Outcome(None, "the executor gave the job up")
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(None, str(error) if isinstance(error, InvalidArgument) else describe(error))
