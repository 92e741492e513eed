"""The executor of threads of this process: the quickest, and the one that cannot stop a job.

A thread takes the next task as soon as it has ended the last, so that nobody has to be woken
between two quick jobs. ``cancel`` stops only what has not begun, and a timeout is reported at
once while the function goes on: its slot stays taken (``blocked``) until it returns, and what
it returns then is thrown away.

Whoever takes a lease out of ``_waiting`` decides what becomes of it (it runs, or never will),
and whoever takes it out of ``_running`` reports it. To take a key out of a dictionary is
atomic, so that no lock is needed but the one that keeps a timed-out lease from being seen in
neither or both of two places.
"""

import queue
import threading
import time
from collections.abc import Sequence

from nucleus.core.errors import FailedPrecondition, InvalidArgument
from nucleus.core.worker import Assignment, Report
from nucleus.jobs import Registry
from nucleus.jobs.run import Outcome, run
from nucleus.services.worker.executors.base import (
    QUEUED_AHEAD,
    OnEnded,
    ended,
    label,
    timed_out,
)
from nucleus.services.worker.executors.output import bounded


class ThreadExecutor:
    """Runs tasks in ``slots`` daemon threads.

    Daemon threads, so that a job which cannot be stopped does not keep the interpreter
    from ending. A job that holds the interpreter lock stops the whole process meanwhile,
    heartbeats included: that is what the process executor is for.
    """

    def __init__(self, slots: int, registry: Registry) -> None:
        self.slots = slots
        self.capacity = slots + QUEUED_AHEAD
        self._registry = registry
        self._on_ended: OnEnded | None = None  # None: not started, or stopped
        self._queue: queue.SimpleQueue[Assignment | None] = queue.SimpleQueue()
        self._waiting: dict[int, Assignment] = {}  # by lease, as all that follow
        self._running: dict[int, Assignment] = {}  # begun, and not reported yet
        self._overdue: dict[int, Assignment] = {}  # reported by timeout, and not ended yet
        self._lock = threading.Lock()  # while a lease becomes overdue
        self._timers: dict[int, threading.Timer] = {}  # of the running that have a timeout
        self._threads = [
            threading.Thread(target=self._serve, name=f"job-thread-{number}", daemon=True)
            for number in range(1, slots + 1)
        ]

    @property
    def running(self) -> tuple[int, ...]:
        """The leases whose jobs run now, timed-out ones included."""
        return tuple(self._begun())

    @property
    def blocked(self) -> int:
        """How many slots are taken by timed-out jobs."""
        return len(self._overdue)

    def _begun(self) -> dict[int, Assignment]:
        with self._lock:
            return self._running.copy() | self._overdue

    def start(self, on_ended: OnEnded) -> None:
        """Start the threads, and report the ends of tasks to ``on_ended`` from now on."""
        self._on_ended = on_ended
        for thread in self._threads:
            thread.start()

    def submit(self, tasks: Sequence[Assignment]) -> None:
        """Run ``tasks``; raises FailedPrecondition when stopped."""
        if self._on_ended is None:
            raise FailedPrecondition("the executor is stopped")
        for task in tasks:
            self._waiting[task.lease] = task
            self._queue.put(task)

    def cancel(self, lease: int) -> bool:
        """Stop ``lease`` if its function has not begun."""
        return self._waiting.pop(lease, None) is not None

    def withdraw(self) -> list[int]:
        """Take back what has not begun."""
        return [lease for lease in list(self._waiting) if self.cancel(lease)]

    def stop(self) -> list[str]:
        """Stop, and return the names of the jobs that run on in their threads."""
        self._on_ended = None
        self.withdraw()
        for timer in list(self._timers.values()):
            timer.cancel()
            timer.join()
        for _ in self._threads:
            self._queue.put(None)
        while sum(thread.is_alive() for thread in self._threads) > len(self._begun()):
            time.sleep(0.005)  # The idle ones are about to end.
        return [label(task) for task in self._begun().values()]

    # In the threads.

    def _serve(self) -> None:
        while (task := self._queue.get()) is not None:
            if self._waiting.pop(task.lease, None) is not None:
                self._run(task)

    def _run(self, task: Assignment) -> None:
        lease = task.lease
        self._running[lease] = task
        if task.timeout is not None:
            self._watch(task, task.timeout)
        began = time.monotonic()
        outcome = self._attempt(task)
        seconds = time.monotonic() - began
        if task.timeout is not None:
            self._timers.pop(lease).cancel()
        if self._running.pop(lease, None):
            self._report(ended(task, outcome, bounded(outcome.traceback), seconds))
        else:
            with self._lock:
                del self._overdue[lease]
            self._report()  # nothing but that the slot is free

    def _attempt(self, task: Assignment) -> Outcome:
        try:
            job_type = self._registry.get(task.job_type)
        except InvalidArgument as error:
            return Outcome(None, str(error))
        if job_type.kills_process:
            problem = f"{job_type.name} would kill this process; use the process executor"
            return Outcome(None, problem)
        return run(job_type.function, task.payload)

    def _report(self, *reports: Report) -> None:
        on_ended = self._on_ended
        if on_ended is not None:
            on_ended(reports)

    def _watch(self, task: Assignment, timeout: float) -> None:
        timer = threading.Timer(timeout, self._time_out, (task, timeout))
        timer.daemon = True
        self._timers[task.lease] = timer
        timer.start()

    def _time_out(self, task: Assignment, timeout: float) -> None:
        with self._lock:
            if not self._running.pop(task.lease, None):
                return  # It has ended just now.
            self._overdue[task.lease] = task
        self._report(ended(task, timed_out(timeout), "", timeout))
