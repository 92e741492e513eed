"""Who ran what, and when: the attempts of a history, as data.

A worker holds more jobs than it runs, so that it need not wait for the next one. When a run
began is taken from what the worker was seen to do (``Started``); where nobody saw that, from
the run time that it reported; and where it never reported, from when the lease was given and
one of its slots was free. A lost lease that was charged no attempt counts as never begun.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    WorkerJoined,
)
from nucleus.core.job import job_number
from nucleus.history import History
from nucleus.history.observations import Committed, Started, Stopped

LOST = ("worker_lost", "replaced")  # reasons for which an attempt ends without a word
LAG = 0.1  # seconds by which the end of a run may be seen after the next one began

Ending = JobCompleted | JobFailed | JobRequeued | JobCancelled


@dataclass(slots=True)
class Attempt:
    """One lease, as far as it was run while it was valid. Times in Unix seconds."""

    job_id: str
    worker: str
    lease: int
    leased: float
    started: float | None = None  # None: not known, or never
    ended: float = inf  # the history ends first
    outcome: str = "running"  # completed, failed, lost, cancelled or unstarted
    stopped: float | None = None  # when its worker was seen to be done with it
    lane: int = 0  # which of the worker's slots, as far as one can tell

    @property
    def name(self) -> str:
        """The job, short enough for a label: its number."""
        return short_name(self.job_id)


def short_name(job_id: str) -> str:
    """The number in a job id, or the id when it has none."""
    return str(job_number(job_id) or job_id)


def attempts_of(history: History) -> list[Attempt]:
    """The attempts that were begun, in the order of their leases."""
    reader = _Reader()
    for seen in history.observations:
        reader.see(seen)
    by_worker: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in reader.attempts.values():
        by_worker[attempt.worker].append(attempt)
    for worker, attempts in by_worker.items():
        _assign_lanes(attempts, reader.slots.get(worker, 1))
    return [attempt for attempt in reader.attempts.values() if attempt.started is not None]


class _Reader:
    """Folds observations into attempts."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}  # by lease
        self.slots: dict[str, int] = {}
        self._charged: dict[str, int] = {}  # attempts, by job

    def see(self, seen: object) -> None:
        match seen:
            case Committed(at=at, event=event):
                self._commit(at, event)
            case Started(at=at, lease=lease) if lease in self.attempts:
                self.attempts[lease].started = at
            case Stopped(at=at, lease=lease) if lease in self.attempts:
                self.attempts[lease].stopped = at

    def _commit(self, at: float, event: Event) -> None:
        match event:
            case WorkerJoined(worker=worker, slots=slots):
                self.slots[worker] = max(slots, self.slots.get(worker, 1))
            case JobLeased(seq=lease, job_id=job_id, worker=worker):
                self.attempts[lease] = Attempt(job_id, worker, lease, at)
            case JobCompleted() | JobFailed() | JobRequeued() | JobCancelled():
                if attempt := self.attempts.get(event.lease):
                    self._end(attempt, at, event)

    def _end(self, attempt: Attempt, at: float, event: Ending) -> None:
        attempt.outcome = self._outcome(attempt, event)
        attempt.ended = at
        if attempt.outcome in ("completed", "failed"):
            attempt.ended = min(at, attempt.stopped or at)
            ran = 0.0 if isinstance(event, JobCancelled) else event.run_seconds
            attempt.started = attempt.started or max(attempt.leased, attempt.ended - ran)

    def _outcome(self, attempt: Attempt, event: Ending) -> str:
        match event:
            case JobCompleted():
                return "completed"
            case JobCancelled():
                return "cancelled"
            case JobFailed(reason=reason):
                return "lost" if reason in LOST else "failed"
            case JobRequeued(job_id=job_id, attempts=charged, reason=reason):
                began = charged > self._charged.get(job_id, 0) or attempt.started is not None
                self._charged[job_id] = charged
                if reason == "failed":
                    return "failed"
                return "lost" if began and reason in LOST else "unstarted"


def _assign_lanes(attempts: Iterable[Attempt], slots: int) -> None:
    """Give each attempt a slot, and those whose start nobody knows the moment one was free."""
    free = [-inf] * slots
    for attempt in sorted(attempts, key=lambda a: (a.started or a.leased, a.lease)):
        if attempt.outcome == "unstarted" or (attempt.started or 0.0) >= attempt.ended:
            attempt.started = None  # or only when its lease was void already
            continue
        attempt.lane = _lane(free, attempt.started)
        if attempt.started is None:
            start = max(attempt.leased, free[attempt.lane])
            if start >= attempt.ended:
                continue
            attempt.started = start
        free[attempt.lane] = attempt.ended


def _lane(free: list[float], started: float | None) -> int:
    lane = min(range(len(free)), key=free.__getitem__)
    if started is not None and free[lane] > started + LAG:
        free.append(-inf)  # an older incarnation's attempt has not been given up yet
        lane = len(free) - 1
    return lane


def retries(attempts: Sequence[Attempt]) -> list[tuple[Attempt, Attempt]]:
    """Each attempt that was lost or failed, with the next one of the same job."""
    last: dict[str, Attempt] = {}
    pairs = []
    for attempt in attempts:
        before = last.get(attempt.job_id)
        if before is not None and before.outcome in ("lost", "failed"):
            pairs.append((before, attempt))
        last[attempt.job_id] = attempt
    return pairs
