"""The ready queue: which job is next.

Order (promise 6): higher priority first; re-queued jobs before those never dispatched,
oldest first; then first in, first out by the time from which a job may run. All of it is
derived from the job itself, so a restart restores the same order.

Jobs that left the queue in the meantime (cancelled, leased) are not searched for: their
entries are skipped when they come up, and swept out when they outnumber the live ones.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any

from nucleus.core.job import Job
from nucleus.core.lifecycle import Status

SWEEP_ABOVE = 64  # entries; below that, stale ones cost nothing worth saving


class _JobHeap:
    """A heap of queued jobs that tolerates entries whose job has left the queue."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, ...]] = []  # (*key, number of the push, job)
        self._pushes = 0  # settles ties, so that jobs themselves are never compared

    def push(self, key: tuple[Any, ...], job: Job) -> None:
        self._pushes += 1
        heappush(self._entries, (*key, self._pushes, job))

    def head(self) -> tuple[Any, ...] | None:
        while self._entries and self._entries[0][-1].status is not Status.QUEUED:
            heappop(self._entries)
        return self._entries[0] if self._entries else None

    def pop(self) -> Job:
        job: Job = heappop(self._entries)[-1]
        return job

    def sweep(self, live: int) -> None:
        """Drop stale entries when there are more of them than of the ``live`` ones."""
        if len(self._entries) > 2 * live + SWEEP_ABOVE:
            queued = {e[-1].id: e for e in self._entries if e[-1].status is Status.QUEUED}
            self._entries = list(queued.values())
            heapify(self._entries)


class ReadyQueue:
    """Queued jobs by job type, in the order in which they are to be leased."""

    def __init__(self) -> None:
        self._by_type: dict[str, _JobHeap] = {}
        self._delayed = _JobHeap()
        self._by_age = _JobHeap()
        self._length = 0

    def __len__(self) -> int:
        """Queued jobs, those that wait for their time included."""
        return self._length

    def push(self, job: Job, now: float) -> None:
        """Take in a QUEUED job."""
        self._length += 1
        # A job can stand here twice, once for each time it was queued; both tell its age.
        self._by_age.push((job.submitted_at,), job)
        if job.not_before > now:
            self._delayed.push((job.not_before, job.id), job)
        else:
            self._enqueue(job)
        self._by_age.sweep(self._length)

    def _enqueue(self, job: Job) -> None:
        heap = self._by_type.setdefault(job.job_type, _JobHeap())
        if job.front:
            key = (-job.priority, 0, job.submitted_at, job.id)
        else:
            key = (-job.priority, 1, job.not_before, job.id)
        heap.push(key, job)

    @property
    def startable(self) -> bool:
        """Whether any job may run now."""
        return any(heap.head() for heap in self._by_type.values())

    def cancelled(self, job: Job) -> None:
        """Note that ``job`` left the queue from where it stood."""
        self._length -= 1
        if heap := self._by_type.get(job.job_type):
            heap.sweep(self._length)
        self._delayed.sweep(self._length)

    def wake(self, now: float) -> None:
        """Let in the delayed jobs whose time has come."""
        while (head := self._delayed.head()) and head[0] <= now:
            self._enqueue(self._delayed.pop())

    def head(self, job_types: Iterable[str]) -> Job | None:
        """The next job of these types, or ``None``; it stays where it is."""
        heads = (heap.head() for t in job_types if (heap := self._by_type.get(t)))
        best = min((head for head in heads if head), default=None)
        return best[-1] if best else None

    def pop(self, job: Job) -> None:
        """Take out ``job``, which :meth:`head` has just named."""
        self._by_type[job.job_type].pop()
        self._length -= 1

    def oldest_submitted_at(self) -> float | None:
        """When the longest-waiting queued job was submitted; ``None`` for an empty queue."""
        head = self._by_age.head()
        return head[0] if head else None
