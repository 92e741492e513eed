"""The default executor: jobs run in child processes that are kept warm.

A crash, a hang or a held interpreter lock costs one attempt and nothing else, and a job's
timeout and cancel really stop it, because a process can be killed and a thread cannot.

One thread supervises all children: it reads what they answer and print, watches the
clock, buries the dead and starts their successors. ``submit`` and ``cancel`` act at once
in the caller's thread, under one lock; only the supervisor starts, buries and reports,
and it reports without the lock. Do not call ``stop`` from ``report``.

The rules that keep every attempt's end single: an answer counts only if it comes from the
child that the attempt was sent to and names its lease; and whoever ends an attempt takes
it out of its slot, under the lock.
"""

import logging
import os
import selectors
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf

from nucleus.core.errors import FailedPrecondition, InvalidArgument, ResourceExhausted
from nucleus.jobs import Registry
from nucleus.jobs.run import Outcome, describe
from nucleus.jobs.wire import Message
from nucleus.services.worker.executors.base import Finished, Report, Task, finished, timed_out
from nucleus.services.worker.executors.children import ChildProcess
from nucleus.services.worker.executors.output import BoundedOutput

START_TIMEOUT = 30.0
"""Seconds that a child may take to say that it is ready; usually it takes 0.05."""

RESTART_DELAY = 1.0
"""Seconds between two starts of a child that does not even get ready."""

_log = logging.getLogger("nucleus.worker")


@dataclass(slots=True, eq=False)
class _Attempt:
    """A task that has a slot."""

    task: Task
    output: BoundedOutput = field(default_factory=BoundedOutput)
    sent_at: float | None = None  # None: its child is not ready yet
    deadline: float = inf

    def end(self, outcome: Outcome) -> Finished:
        self.output.add(outcome.traceback.encode())
        seconds = 0.0 if self.sent_at is None else time.monotonic() - self.sent_at
        return finished(self.task, outcome, self.output.text(), seconds)


@dataclass(slots=True, eq=False)
class _Slot:
    """Room for one attempt: the child that runs it, and the attempt if there is one."""

    child: ChildProcess | None = None
    attempt: _Attempt | None = None
    start_at: float = 0.0  # no child is started before then
    ready_by: float = inf  # when a child that is still starting is given up

    @property
    def warm(self) -> bool:
        return self.child is not None and self.child.ready and not self.child.killed

    @property
    def next_deadline(self) -> float:
        """When the supervisor must look at this slot, if nothing happens before."""
        if self.child is None:
            return self.start_at
        if self.child.killed:
            return inf  # Its channel says when it is dead.
        if not self.child.ready:
            return self.ready_by
        return self.attempt.deadline if self.attempt else inf


class ProcessExecutor:
    """Runs each task in one of ``slots`` child processes."""

    def __init__(self, slots: int, registry: Registry, modules: Sequence[str] = ()) -> None:
        self.slots = slots
        self._registry = registry
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._slots = [_Slot() for _ in range(slots)]
        self._ended: list[Finished] = []  # to be reported by the supervisor
        self._stopped = False
        self._supervisor: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_end, self._waker = os.pipe()
        for descriptor in (self._wake_end, self._waker):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake_end, selectors.EVENT_READ, self._woken)

    @property
    def occupied(self) -> int:
        """How many slots are taken."""
        with self._lock:
            return sum(slot.attempt is not None for slot in self._slots)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that live now."""
        with self._lock:
            return [slot.child.pid for slot in self._slots if slot.child is not None]

    def start(self, report: Report) -> None:
        """Begin to start the children; returns before they are ready."""
        self._supervisor = threading.Thread(
            target=self._supervise, args=(report,), name="process-executor", daemon=True
        )
        self._supervisor.start()

    def submit(self, task: Task) -> None:
        """Run ``task``; raises FailedPrecondition when stopped, ResourceExhausted when full."""
        with self._lock:
            if self._stopped:
                raise FailedPrecondition("the executor is stopped")
            free = [slot for slot in self._slots if slot.attempt is None]
            if not free:
                raise ResourceExhausted(f"all {self.slots} slots are taken")
            slot = next((slot for slot in free if slot.warm), free[0])
            slot.attempt = _Attempt(task)
            if slot.warm:
                self._send(slot)

    def cancel(self, lease: int) -> bool:
        """Kill the process that runs ``lease``; False when there is none."""
        with self._lock:
            for slot in self._slots:
                if slot.attempt is not None and slot.attempt.task.lease == lease:
                    self._drop(slot)
                    return True
        return False

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

    def _send(self, slot: _Slot) -> None:
        """Send the attempt of ``slot`` to its child, which is ready."""
        child, attempt = slot.child, slot.attempt
        assert child is not None and attempt is not None
        child.drain()  # What an earlier job's threads still print is nobody's.
        attempt.sent_at = time.monotonic()
        try:
            child.run(attempt.task, self._registry.get(attempt.task.job_type))
        except InvalidArgument as error:
            self._end(slot, Outcome(None, str(error)))
        except Exception as error:  # Whatever pickling a stranger's function raises.
            problem = f"{attempt.task.job_type} cannot be sent to a child process"
            self._end(slot, Outcome(None, f"{problem}: {describe(error)}"))
        if attempt.task.timeout is not None:
            attempt.deadline = attempt.sent_at + attempt.task.timeout
        if self._ended or child.unsent or attempt.deadline < inf:
            self._wake()

    def _end(self, slot: _Slot, outcome: Outcome) -> None:
        """Let the supervisor report how the attempt of ``slot`` ended, and free the slot."""
        assert slot.attempt is not None
        self._ended.append(slot.attempt.end(outcome))
        slot.attempt = None

    def _drop(self, slot: _Slot) -> None:
        """Stop the attempt of ``slot`` without a report."""
        assert slot.attempt is not None
        if slot.attempt.sent_at is not None and slot.child is not None:
            slot.child.kill()
        slot.attempt = None

    def _wake(self) -> None:
        """Make the supervisor look at everything again."""
        with suppress(BlockingIOError):  # A full pipe wakes it as well.
            os.write(self._waker, b"!")

    # In the supervisor's thread.

    def _supervise(self, report: Report) -> None:
        try:
            while not self._stopped:
                self._start_missing()
                self._end_overdue()
                self._mind_unsent()
                self._report(report)
                for key, _ in self._selector.select(self._patience()):
                    key.data()
        finally:
            self._close()

    def _woken(self) -> None:
        os.read(self._wake_end, 4096)

    def _patience(self) -> float | None:
        """Return the seconds until something is due, or None."""
        with self._lock:
            if self._ended:
                return 0.0
            due = min((slot.next_deadline for slot in self._slots), default=inf)
        return None if due == inf else max(0.0, due - time.monotonic())

    def _report(self, report: Report) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for attempt in ended:
            try:
                report(attempt)
            except Exception:
                _log.exception("the end of lease %d could not be reported", attempt.lease)

    def _start_missing(self) -> None:
        """Start a child for each slot without one. Not under the lock: it takes a while."""
        for slot in self._slots:
            if slot.child is None and slot.start_at <= time.monotonic():
                self._start_child(slot)

    def _start_child(self, slot: _Slot) -> None:
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

    def _end_overdue(self) -> None:
        now = time.monotonic()
        with self._lock:
            for slot in self._slots:
                if slot.child is None or now < slot.next_deadline:
                    continue
                slot.child.kill()
                if slot.child.ready and slot.attempt and slot.attempt.task.timeout is not None:
                    slot.attempt.output.add(slot.child.drain())
                    self._end(slot, timed_out(slot.attempt.task.timeout))

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

    def _on_output(self, slot: _Slot) -> None:
        """Give what came to the attempt that runs, or to nobody."""
        with self._lock:
            if slot.child is None:
                return  # It was buried a moment ago, and all of its output was read.
            chunk = slot.child.read_output()
            if chunk is None:
                self._selector.unregister(slot.child.output)
            elif slot.attempt is not None and slot.attempt.sent_at is not None:
                slot.attempt.output.add(chunk)

    def _on_channel(self, slot: _Slot) -> None:
        child = slot.child
        assert child is not None  # Only this callback buries it, and ends the watch then.
        with self._lock:
            child.flush()
            try:
                messages, alive = child.receive()
                for message in messages:
                    self._hear(slot, child, message)
            except (ValueError, KeyError, TypeError, AttributeError):
                alive = False  # A job wrote to our channel: nothing it says can be trusted.
            if not alive:
                self._bury(slot, child)

    def _hear(self, slot: _Slot, child: ChildProcess, message: Message) -> None:
        if child.killed:
            return  # What it still said does not count.
        if message.get("ready"):
            child.ready = True
            if slot.attempt is not None:
                self._send(slot)
        elif slot.attempt is not None and slot.attempt.task.lease == message["lease"]:
            slot.attempt.output.add(child.drain())
            outcome = Outcome(message["result"], message["error"], message["traceback"])
            self._end(slot, outcome)

    def _bury(self, slot: _Slot, child: ChildProcess) -> None:
        """Clear away a child that died, or that was killed; the next pass replaces it."""
        for stream in (child.channel, child.output):
            with suppress(KeyError):  # The end of the output may have come before.
                self._selector.unregister(stream)
        last_words = child.drain()
        how = child.bury()
        slot.child = None
        if not child.ready:
            _log.warning("no process for jobs: %s", last_words.decode("utf-8", "replace"))
            self._not_started(slot, how, last_words)
        elif slot.attempt is not None and slot.attempt.sent_at is not None:
            slot.attempt.output.add(last_words)
            self._end(slot, Outcome(None, f"the process running the job died ({how})"))

    def _not_started(self, slot: _Slot, why: str, last_words: bytes = b"") -> None:
        slot.start_at = time.monotonic() + RESTART_DELAY
        if slot.attempt is not None:
            slot.attempt.output.add(last_words)
            self._end(slot, Outcome(None, f"no process for jobs could be started ({why})"))

    def _close(self) -> None:
        """End every child, in parallel, and give back every descriptor."""
        with self._lock:
            self._stopped = True
            children = [slot.child for slot in self._slots if slot.child is not None]
            for child in children:
                child.kill()
            for child in children:
                child.bury()
            for slot in self._slots:
                slot.child = slot.attempt = None
            self._selector.close()
            os.close(self._wake_end)
            os.close(self._waker)
