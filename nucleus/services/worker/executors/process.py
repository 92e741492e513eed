"""The default executor: jobs run in child processes that are kept warm.

A crash, a hang or a held interpreter lock costs one attempt and nothing else, and a job's
timeout and cancel really stop it, because a process can be killed and a thread cannot.

Tasks wait here until a child has room (``slots`` tells how much), and come back here when
the child that was sent them turns out to be slow or dies: only the task that it had begun is
charged. Leases ascend, so their order is the order in which they were received and begin.

One thread supervises all children: it reads what they answer and print, watches the
clock, buries the dead and starts their successors. ``submit`` and ``cancel`` act at once
in the caller's thread, under one lock; only the supervisor starts, buries and reports,
and it reports without the lock. Do not call ``stop`` from ``on_ended``.
"""

import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from math import inf

from nucleus.core.errors import FailedPrecondition, InvalidArgument
from nucleus.core.worker import Assignment, Report
from nucleus.jobs import Registry
from nucleus.jobs.run import Outcome, describe
from nucleus.services.worker.executors.base import QUEUED_AHEAD, OnEnded, ended, timed_out
from nucleus.services.worker.executors.children import ChildProcess
from nucleus.services.worker.executors.slots import GATHER, Slot

START_TIMEOUT = 30.0
"""Seconds that a child may take to say that it is ready; usually it takes 0.05."""

RESTART_DELAY = 1.0
"""Seconds between two starts of a child that does not even get ready."""

_log = logging.getLogger("nucleus.worker")


class ProcessExecutor:
    """Runs each task in one of ``slots`` child processes."""

    def __init__(self, slots: int, registry: Registry, modules: Sequence[str] = ()) -> None:
        self.slots = slots
        self.capacity = slots + QUEUED_AHEAD
        self.blocked = 0  # Every job can be stopped.
        self._registry = registry
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._slots = [Slot() for _ in range(slots)]
        self._waiting: deque[Assignment] = deque()  # for a child, oldest first
        self._ended: list[Report] = []  # to be reported by the supervisor
        self._looks_at = 0.0  # when the supervisor looks at everything again
        self._stopped = False
        self._supervisor: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_end, self._waker = os.pipe()
        for descriptor in (self._wake_end, self._waker):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake_end, selectors.EVENT_READ, self._woken)

    @property
    def running(self) -> tuple[int, ...]:
        """The leases whose jobs run now."""
        with self._lock:
            return tuple(slot.tasks[0].lease for slot in self._slots if slot.tasks)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that live now."""
        with self._lock:
            return [slot.child.pid for slot in self._slots if slot.child is not None]

    def start(self, on_ended: OnEnded) -> None:
        """Begin to start the children; returns before they are ready."""
        self._supervisor = threading.Thread(
            target=self._supervise, args=(on_ended,), name="process-executor", daemon=True
        )
        self._supervisor.start()

    def submit(self, tasks: Sequence[Assignment]) -> None:
        """Run ``tasks``; raises FailedPrecondition when stopped."""
        with self._lock:
            if self._stopped:
                raise FailedPrecondition("the executor is stopped")
            self._waiting.extend(tasks)
            self._hand_out()
            self._wake_if_needed()

    def cancel(self, lease: int) -> bool:
        """Take ``lease`` back, or kill the process that runs it; False when there is none."""
        with self._lock:
            stopped = self._cancel(lease)
            self._hand_out()
            self._wake_if_needed()
        return stopped

    def withdraw(self) -> list[int]:
        """Take back what has not begun."""
        with self._lock:
            for slot in self._slots:
                self._take_back(slot)
            leases = [task.lease for task in self._waiting]
            self._waiting.clear()
        return leases

    def stop(self) -> list[str]:
        """Kill everything and wait until it is gone; nothing runs on, so nothing is named."""
        with self._lock:
            first, self._stopped = not self._stopped, True
            if first:
                self._wake()
        if self._supervisor is not None:
            self._supervisor.join()
        elif first:
            self._close()
        return []

    # Under the lock, in any thread.

    def _cancel(self, lease: int) -> bool:
        for slot in self._slots:
            if any(task.lease == lease for task in slot.tasks):
                self._take_back(slot)
                if slot.tasks and slot.tasks[-1].lease == lease:
                    slot.drop()
                    return True
        rest = [task for task in self._waiting if task.lease != lease]
        found = len(rest) < len(self._waiting)
        self._waiting = deque(rest)
        return found

    def _hand_out(self) -> None:
        """Send waiting tasks to the children that have room, each its share."""
        roomy = [slot for slot in self._slots if self._waiting and slot.room]
        for number, slot in enumerate(roomy):
            share = -(-len(self._waiting) // (len(roomy) - number))
            count = min(slot.room, share)
            self._give(slot, [self._waiting.popleft() for _ in range(count)])

    def _give(self, slot: Slot, tasks: list[Assignment]) -> None:
        """Send ``tasks`` to the child of ``slot``, except for those that cannot be sent."""
        assert slot.child is not None
        problems: dict[str, str] = {}
        for job_type in {task.job_type for task in tasks}:
            try:
                slot.child.teach(self._registry.get(job_type))
            except InvalidArgument as error:
                problems[job_type] = str(error)
            except Exception as error:  # Whatever pickling a stranger's function raises.
                problem = f"{job_type} cannot be sent to a child process"
                problems[job_type] = f"{problem}: {describe(error)}"
        for task in tasks:
            if problem := problems.get(task.job_type, ""):
                self._ended.append(ended(task, Outcome(None, problem), "", 0.0))
        fit = [task for task in tasks if task.job_type not in problems]
        if fit:
            slot.give(fit)

    def _take_back(self, slot: Slot) -> None:
        """Let what the child has not begun wait for a child again."""
        if back := slot.take_back():
            self._waiting = deque(sorted((*back, *self._waiting), key=lambda task: task.lease))

    def _due(self) -> float:
        """Return when something is due, or infinity."""
        return min((slot.next_deadline for slot in self._slots), default=inf)

    def _wake_if_needed(self) -> None:
        unsent = any(slot.child is not None and slot.child.unsent for slot in self._slots)
        if unsent or self._ended or self._due() < self._looks_at:
            self._wake()

    def _wake(self) -> None:
        """Make the supervisor look at everything again."""
        with suppress(BlockingIOError):  # A full pipe wakes it as well.
            os.write(self._waker, b"!")

    # In the supervisor's thread.

    def _supervise(self, on_ended: OnEnded) -> None:
        try:
            while not self._stopped:
                self._start_missing()
                self._mind_the_clock()
                self._mind_unsent()
                self._report(on_ended)
                self._gather()
                for key, _ in self._selector.select(self._patience()):
                    self._looks_at = 0.0  # It looks already: nobody needs to wake it.
                    key.data()
        finally:
            self._close()

    def _gather(self) -> None:
        """Let answers gather while every child that runs something has enough to do."""
        with self._lock:
            busy = [slot.occupied for slot in self._slots if slot.tasks]
        if busy and all(busy):
            time.sleep(GATHER)

    def _woken(self) -> None:
        os.read(self._wake_end, 4096)

    def _patience(self) -> float | None:
        """Return the seconds until something is due, or None."""
        with self._lock:
            self._looks_at = 0.0 if self._ended else self._due()
        return None if self._looks_at == inf else max(0.0, self._looks_at - time.monotonic())

    def _report(self, on_ended: OnEnded) -> None:
        with self._lock:
            reports, self._ended = self._ended, []
        if not reports:
            return
        try:
            on_ended(reports)
        except Exception:
            leases = ", ".join(str(report.lease) for report in reports)
            _log.exception("the end of lease %s could not be reported", leases)

    def _start_missing(self) -> None:
        """Start a child for each slot without one. Not under the lock: it takes a while."""
        for slot in self._slots:
            if slot.child is None and slot.start_at <= time.monotonic():
                self._start_child(slot)

    def _start_child(self, slot: Slot) -> None:
        try:
            child = ChildProcess(self._modules)
        except OSError as error:
            with self._lock:
                self._not_started(slot, str(error))
            return
        for stream, callback in (
            (child.channel, self._on_channel),
            (child.output, self._on_output),
        ):
            self._selector.register(stream, selectors.EVENT_READ, partial(callback, slot))
        with self._lock:
            slot.child, slot.ready_by = child, time.monotonic() + START_TIMEOUT

    def _mind_the_clock(self) -> None:
        with self._lock:
            now = time.monotonic()
            for slot in self._slots:
                if slot.child is not None and slot.next_deadline <= now:
                    self._overdue(slot, slot.child)
            self._hand_out()

    def _overdue(self, slot: Slot, child: ChildProcess) -> None:
        """Free what waits behind a slow job, and kill one that has run for too long."""
        if not child.ready:
            child.kill()
            return
        self._take_back(slot)
        self._listen(slot)  # It may have ended just now, or have begun the next one.
        limit = slot.tasks[0].timeout if len(slot.tasks) == 1 else None
        if limit is not None and slot.timeout_at <= time.monotonic():
            child.kill()
            self._ended.append(slot.end(timed_out(limit)))

    def _mind_unsent(self) -> None:
        """Watch for room in the channels that could not take all that was sent."""
        for slot in self._slots:
            if slot.child is not None:
                wanted = selectors.EVENT_WRITE if slot.child.unsent else 0
                self._watch(slot.child, selectors.EVENT_READ | wanted)

    def _watch(self, child: ChildProcess, events: int) -> None:
        key = self._selector.get_key(child.channel)
        if key.events != events:
            self._selector.modify(child.channel, events, key.data)

    def _on_output(self, slot: Slot) -> None:
        """Give what came to the job that printed it: nothing may begin until that is done."""
        with self._lock:
            if slot.child is not None and slot.child.has_printed:
                self._take_back(slot)
                self._listen(slot)
                if slot.child is not None and len(slot.tasks) <= 1:
                    slot.printed()

    def _on_channel(self, slot: Slot) -> None:
        with self._lock:
            self._listen(slot)

    # In the supervisor's thread, and under the lock.

    def _listen(self, slot: Slot) -> None:
        """Take in what the child has said up to now, be it that it is dead."""
        child = slot.child
        if child is None:
            return  # It was buried a moment ago.
        child.flush()
        messages, alive = child.receive()
        reports, sane = slot.hear(messages)
        self._ended += reports
        if not (alive and sane):  # Not sane: a job wrote to our channel, so trust it no more.
            self._bury(slot, child)

    def _bury(self, slot: Slot, child: ChildProcess) -> None:
        """Clear away a child that died, or that was killed; the next pass replaces it."""
        self._selector.unregister(child.channel)
        self._selector.unregister(child.output)
        child.kill()
        self._take_back(slot)
        last_words = child.drain() if not child.ready else b""
        how = child.wait()
        while slot.tasks:  # It had begun one at most, unless a job meddled with the channel.
            problem = f"the process running the job died ({how})"
            self._ended.append(slot.end(Outcome(None, problem)))
        slot.child = None
        child.close()
        if not child.ready:
            _log.warning("no process for jobs: %s", last_words.decode("utf-8", "replace"))
            self._not_started(slot, how, last_words)

    def _not_started(self, slot: Slot, why: str, last_words: bytes = b"") -> None:
        """Try again later; a task that no other child can run either is charged for it."""
        slot.start_at = time.monotonic() + RESTART_DELAY
        if self._waiting and all(other.child is None for other in self._slots):
            problem = f"no process for jobs could be started ({why})"
            words = last_words.decode("utf-8", "replace")
            self._ended.append(ended(self._waiting.popleft(), Outcome(None, problem), words, 0.0))

    def _close(self) -> None:
        """End every child, in parallel, and give back every descriptor."""
        with self._lock:
            self._stopped = True
            children = [slot.child for slot in self._slots if slot.child is not None]
            for child in children:
                child.kill()
            for child in children:
                child.wait()
                child.close()
            for slot in self._slots:
                slot.child = None
                slot.tasks.clear()
            self._waiting.clear()
            self._selector.close()
            os.close(self._wake_end)
            os.close(self._waker)
