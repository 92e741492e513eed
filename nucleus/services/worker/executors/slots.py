"""One slot of the process executor: a child, and the tasks that it was sent.

Tasks are sent ahead, so that a child which runs quick jobs never waits for the worker: as
many as it would do in :data:`AHEAD` seconds at the pace of its latest answers. When the job
that it runs turns out to be slow, what it has not begun is taken back after
:data:`PATIENCE`, so that a slow job never has others stuck behind it.

The child answers in the order of the tasks, and at most one of those that it has begun is
not answered. Therefore, once everything is taken back, the last task is the one that runs,
unless its answer is on the way; that is how a kill never hits another job than was meant.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from types import NoneType
from typing import Any

from nucleus.core.worker import Assignment, Report
from nucleus.jobs.run import Outcome
from nucleus.services.worker.executors.base import ended
from nucleus.services.worker.executors.children import ChildProcess
from nucleus.services.worker.executors.output import BoundedOutput

AHEAD = 0.01
"""Seconds of work that a child is sent ahead."""

OVERHEAD = 25e-6
"""Seconds that a child needs for a job that does nothing."""

GATHER = 0.002
"""Seconds for which the answers of quick jobs are gathered, while their child has more to do:
to look at each of them at once would cost more than the jobs."""

PATIENCE = 0.02
"""Seconds that a job may run before those behind it are taken back."""

_ANSWERS = (
    (int, float, str, NoneType, str, bool),  # lease, seconds, result, error, traceback, printed
    (int, float, NoneType, str, str, bool),
)


class Slot:
    """Room for one child. Not thread-safe: the executor's lock protects it."""

    def __init__(self) -> None:
        self.child: ChildProcess | None = None
        self.start_at = 0.0  # no child is started before then
        self.ready_by = inf  # when a child that is still starting is given up
        self.tasks: deque[Assignment] = deque()  # sent and not answered; the first one runs
        self._since = 0.0  # when the first of them began, as far as we know
        self._depth = 1  # tasks that the child may have
        self._talks = False  # the latest jobs printed something, which has to be taken each time
        self._output = BoundedOutput()  # of the job that runs

    @property
    def warm(self) -> bool:
        """Whether the child can run tasks."""
        return self.child is not None and self.child.ready and not self.child.killed

    @property
    def room(self) -> int:
        """How many tasks should be sent now: none before half of those sent are answered."""
        if not self.warm or 2 * len(self.tasks) > self._depth:
            return 0
        return self._depth - len(self.tasks)

    @property
    def occupied(self) -> bool:
        """Whether the child has quick jobs for longer than ``GATHER``."""
        return len(self.tasks) > 1 and len(self.tasks) * AHEAD > self._depth * GATHER

    @property
    def timeout_at(self) -> float:
        """When the job that runs has run for too long."""
        limit = self.tasks[0].timeout if self.tasks else None
        return inf if limit is None else self._since + limit

    @property
    def next_deadline(self) -> float:
        """When somebody must look at this slot, if nothing happens before."""
        if self.child is None:
            return self.start_at
        if self.child.killed:
            return inf  # Its channel says when it is dead.
        if not self.child.ready:
            return self.ready_by
        patience = self._since + PATIENCE if len(self.tasks) > 1 else inf
        return min(patience, self.timeout_at)

    def give(self, tasks: Sequence[Assignment]) -> None:
        """Send ``tasks`` to the child, which is warm."""
        assert self.child is not None
        if not self.tasks:
            self.child.drain()  # What an earlier job's threads still print is nobody's.
            self._since = time.monotonic()
        self.tasks.extend(tasks)
        self.child.run(tasks)

    def take_back(self) -> list[Assignment]:
        """Take back the tasks that have not begun. No more are sent until an answer comes."""
        count = self.child.take_back() if self.child is not None else 0
        self._depth = 1
        back = [self.tasks.pop() for _ in range(min(count, len(self.tasks)))]
        return back[::-1]

    def hear(self, messages: Iterable[Any]) -> tuple[list[Report], bool]:
        """Take in what the child said; return the ends, and whether all of it made sense.

        What it said before the first nonsense counts, and nothing that follows.
        """
        self._talks = False
        reports: list[Report] = []
        sane = all(self._hear(message, reports) for message in messages)
        if reports:
            self._since = time.monotonic()
            seconds = sum(report.run_seconds for report in reports) / len(reports) + OVERHEAD
            self._depth = 1 if self._talks else max(1, int(AHEAD / seconds))
        return reports, sane

    def _hear(self, message: Any, reports: list[Report]) -> bool:
        """Take in one message; return whether it made sense."""
        assert self.child is not None
        if message == {"ready": True}:
            self.child.ready = True
        elif self.tasks and _is_answer(message) and message[0] == self.tasks[0].lease:
            _, seconds, result, error, traceback, printed = message
            if printed:
                self._talks = True
                self._output.add(self.child.drain())
                self.child.send({"taken": True})
            reports.append(self._end(Outcome(result, error, traceback), seconds))
        else:
            return self.child.killed  # Then its job was given up, whatever it still says.
        return True

    def printed(self) -> None:
        """Give what was printed to the job that runs, or to nobody; nothing waits behind it."""
        assert self.child is not None
        chunk = self.child.drain()
        if self.tasks:
            self._output.add(chunk)

    def end(self, outcome: Outcome) -> Report:
        """The job that runs was ended by force."""
        if self.child is not None:
            self._output.add(self.child.drain())
        return self._end(outcome, time.monotonic() - self._since)

    def _end(self, outcome: Outcome, seconds: float) -> Report:
        if outcome.traceback:
            self._output.add(outcome.traceback.encode())
        text = self._output.text()
        if text:
            self._output = BoundedOutput()
        return ended(self.tasks.popleft(), outcome, text, seconds)

    def drop(self) -> None:
        """Kill the job that runs, which is the last one, and forget it."""
        assert self.child is not None
        self.child.kill()
        self.tasks.pop()
        self._output = BoundedOutput()


def _is_answer(message: Any) -> bool:
    return isinstance(message, list) and tuple(map(type, message)) in _ANSWERS
