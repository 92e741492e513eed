"""The ready queue: which job is next.

Order (promise 6): higher priority first; re-queued jobs before those never dispatched,
oldest first; then first in, first out by the time from which a job may run. All of it is
derived from the job itself, so a restart restores the same order.

Nearly every job comes in order and leaves in order, so a line is a plain deque; the few that
come out of order (re-queued, delayed) stand in a heap beside it, and the head of the line is
the smaller of the two.

Jobs that left the queue in the meantime (cancelled) are not searched for: their entries are
skipped when they come up, and swept out when they outnumber the live ones.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any

from nucleus.core.job import Job
from nucleus.core.lifecycle import QUEUED

SWEEP_ABOVE = 64  # entries; below that, stale ones cost nothing worth saving

_payload = attrgetter("payload")

Key = tuple[float, int]  # a time in Unix seconds, and the job's number, which settles ties


def _runs_from(job: Job) -> Key:
    return job.not_before, job.number


def _submitted(job: Job) -> Key:
    return job.submitted_at, job.number


class _Line:
    """Queued jobs in the order of a key, which a job keeps for as long as it is queued."""

    def __init__(self, key: Callable[[Job], Key]) -> None:
        self._key = key
        self._in_order: deque[Job] = deque()
        self._last: Key = (0.0, 0)  # of the last one there
        self._others: list[tuple[Key, int, Job]] = []  # a heap; the number settles repeats
        self._pushes = 0

    def __len__(self) -> int:
        return len(self._in_order) + len(self._others)

    def __iter__(self) -> Iterator[Job]:
        yield from self._in_order
        yield from (entry[-1] for entry in self._others)

    def extend(self, jobs: Sequence[Job]) -> None:
        """Take in ``jobs``, which are in order among themselves."""
        if not self._in_order or self._last < self._key(jobs[0]):
            self._in_order.extend(jobs)
            self._last = self._key(jobs[-1])
        else:
            for job in jobs:
                self._pushes += 1
                heappush(self._others, (self._key(job), self._pushes, job))

    def head(self) -> Job | None:
        """The first job that is still queued."""
        line, others = self._in_order, self._others
        while line and line[0].status is not QUEUED:
            line.popleft()
        while others and others[0][-1].status is not QUEUED:
            heappop(others)
        if not others:
            return line[0] if line else None
        return line[0] if line and self._key(line[0]) < others[0][0] else others[0][-1]

    def pop(self) -> None:
        """Take out what :meth:`head` has just named."""
        if not self._others or (self._in_order and self.head() is self._in_order[0]):
            self._in_order.popleft()
        else:
            heappop(self._others)

    def sweep(self, live: int) -> None:
        """Drop stale entries when there are more of them than of the ``live`` ones."""
        if len(self) > 2 * live + SWEEP_ABOVE:
            self._in_order = deque(j for j in self._in_order if j.status is QUEUED)
            self._others = [e for e in self._others if e[-1].status is QUEUED]
            heapify(self._others)


Stand = tuple[str, int, bool]  # a job type, a priority, whether at the front


def stand(job: Job) -> Stand:
    """In which line a queued job stands."""
    return job.job_type, job.priority, job.front


def _turn(where: Stand) -> tuple[int, bool]:
    """Of the lines of a type the one with the smallest is next."""
    return -where[1], not where[2]


class ReadyQueue:
    """Queued jobs by job type, in the order in which they are to be leased."""

    def __init__(self) -> None:
        self._lines: dict[Stand, _Line] = {}
        self._by_type: dict[str, list[Stand]] = {}  # in the order of their turns
        self._delayed = _Line(_runs_from)
        self._length = 0
        self._size = 0

    def __len__(self) -> int:
        """Queued jobs, those that wait for their time included."""
        return self._length

    @property
    def size(self) -> int:
        """Characters in the payloads of queued jobs."""
        return self._size

    def push(self, job: Job, now: float) -> None:
        """Take in a QUEUED job."""
        self.extend((job,), now)

    def extend(self, jobs: Sequence[Job], now: float) -> None:
        """Take in QUEUED jobs of one type and priority that may run from one time on, in order."""
        if not jobs:
            return
        line = self._delayed if jobs[0].not_before > now else self._line(jobs[0])
        line.extend(jobs)
        self._length += len(jobs)
        self._size += sum(map(len, map(_payload, jobs)))

    def _line(self, job: Job) -> _Line:
        where = stand(job)
        line = self._lines.get(where)
        if line is None:
            line = self._lines[where] = _Line(_submitted if where[2] else _runs_from)
            insort(self._by_type.setdefault(job.job_type, []), where, key=_turn)
        return line

    def _head(self, job_type: str) -> Job | None:
        stands = self._by_type[job_type]
        while stands:
            job = self._lines[stands[0]].head()
            if job is not None:
                return job
            del self._lines[stands.pop(0)]
        return None

    @property
    def startable(self) -> bool:
        """Whether any job may run now."""
        return any(map(self._head, self._by_type))

    def cancelled(self, job: Job) -> None:
        """Note that ``job`` left the queue from where it stood."""
        self._left(job)
        for where in self._by_type.get(job.job_type, ()):
            self._lines[where].sweep(self._length)
        self._delayed.sweep(self._length)

    def wake(self, now: float) -> None:
        """Let in the delayed jobs whose time has come, and drop lines that are empty."""
        for job_type in [name for name in self._by_type if not self._head(name)]:
            del self._by_type[job_type]
        while (job := self._delayed.head()) and job.not_before <= now:
            self._delayed.pop()
            self._line(job).extend((job,))

    def head(self, job_types: Collection[str]) -> Job | None:
        """The next job of these types, or ``None``; it stays where it is."""
        first: Job | None = None
        for job_type in self._by_type:
            job = self._head(job_type) if job_type in job_types else None
            if job is not None and (first is None or place(job) < place(first)):
                first = job
        return first

    def pop(self, job: Job) -> None:
        """Take out ``job``, which :meth:`head` has just named."""
        self._line(job).pop()
        self._left(job)

    def _left(self, job: Job) -> None:
        self._length -= 1
        self._size -= len(job.payload)

    def waiting_since(self) -> float | None:
        """The time from which the longest-waiting job could run, in Unix seconds.

        ``None`` when nothing waits but for its time.
        """
        oldest = (job for where in self._lines for job in self._oldest(where))
        return min((job.not_before for job in oldest), default=None)

    def _oldest(self, where: Stand) -> Sequence[Job]:
        """Those in a line among which the longest-waiting one is."""
        line = self._lines[where]
        if where[2]:  # few, at most what lost workers held, and in another order
            return [job for job in line if job.status is QUEUED]
        first = line.head()
        return (first,) if first else ()


def place(job: Job) -> tuple[Any, ...]:
    """Where a queued job stands: the smallest is next."""
    key = _submitted(job) if job.front else _runs_from(job)
    return -job.priority, not job.front, key
