"""Promise 6: which of the waiting jobs is next.

The queue is built a second time here, from the events alone and in the plainest way: for
each job type one heap of what could run. A lease is in order when nothing that its worker
could have been given stands before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from nucleus.core.events import JobCancelled, JobLeased, JobRequeued, JobSubmitted, WorkerJoined
from nucleus.core.job import Job
from nucleus.history.invariants import Cases, breach, invariant
from nucleus.history.replay import Holder, Replay, Step

Place = tuple[int, bool, float, int]
"""Where a job stands in line: its priority (negated), behind the front, since when, number."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A lease, the place of its job, and the first of the others that could have been it."""

    step: Step
    place: Place
    first: Place | None

    @property
    def text(self) -> str:
        return f"{_words(self.place)} was leased before {_words(self.first)}"


def _words(place: Place | None) -> str:
    if place is None:
        return "nobody"
    priority, behind, _, number = place
    where = "in line" if behind else "at the front"
    return f"job {number} (priority {-priority}, {where})"


@invariant(6)
def priority_goes_first(replay: Replay) -> Cases:
    """A job of higher priority goes before one of lower priority."""
    for turn in _turns(replay):
        if turn.first is not None:
            kept = turn.place[0] <= turn.first[0]
            yield None if kept else breach(turn.step, turn.text)


@invariant(6)
def requeued_goes_before_new(replay: Replay) -> Cases:
    """Within a priority, what was re-queued goes before what was never dispatched."""
    for turn in _turns(replay):
        if turn.first is not None and turn.place[0] == turn.first[0]:
            yield None if turn.place[1] <= turn.first[1] else breach(turn.step, turn.text)


@invariant(6)
def first_in_is_first_out(replay: Replay) -> Cases:
    """Among equals the first in is the first out."""
    for turn in _turns(replay):
        if turn.first is not None and turn.place[:2] == turn.first[:2]:
            yield None if turn.place < turn.first else breach(turn.step, turn.text)


@invariant(6)
def nothing_runs_before_its_time(replay: Replay) -> Cases:
    """No job runs before its time: not a delayed one, nor one that has just failed."""
    due: dict[str, float] = {}
    for step in replay.of(JobSubmitted, JobRequeued, JobLeased):
        if isinstance(step.event, JobSubmitted | JobRequeued):
            due[step.event.job_id] = step.event.not_before
        elif step.event.job_id in due:
            early = due[step.event.job_id] - step.event.at
            what = f"{step.event.job_id} was leased {early:.2f} s before its time"
            yield None if early <= 0 else breach(step, what)


@invariant(6)
def failed_goes_to_the_tail(replay: Replay) -> Cases:
    """An attempt that failed has had its turn: its job waits, and then at the tail."""
    for step in replay.of(JobRequeued):
        if step.event.reason == "failed":
            wait = step.event.not_before - step.event.at
            where = "front" if step.event.front else "tail"
            what = f"{step.event.job_id} failed, and goes to the {where} in {wait:.2f} s"
            yield None if wait > 0 and not step.event.front else breach(step, what)


# ---- the queue ------------------------------------------------------------------------


def _turns(replay: Replay) -> Iterable[_Turn]:
    """Every lease, with what else stood in line: worked out once for each replay."""
    return replay.once(_turns, lambda: list(_walk(replay)))


def _walk(replay: Replay) -> Iterator[_Turn]:
    queue = _Queue()
    offers: dict[Holder, frozenset[str]] = {}
    for step in replay.steps:
        event = step.event
        if isinstance(event, WorkerJoined):
            offers[event.worker, event.incarnation] = frozenset(event.job_types)
        elif isinstance(event, JobLeased) and step.job is not None and step.legal:
            place = queue.take(step.job)
            types = offers.get((event.worker, event.incarnation), frozenset({step.job.job_type}))
            if place is not None:
                yield _Turn(step, place, queue.first(types, event.at))
        elif isinstance(event, JobSubmitted | JobRequeued) and step.job is not None and step.legal:
            front = isinstance(event, JobRequeued) and event.front
            queue.put(step.job, front, event.not_before)
        elif isinstance(event, JobCancelled) and step.job is not None:
            queue.take(step.job)


class _Queue:
    """What waits, by job type."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}  # job number -> where it stands now
        self._ready: dict[str, list[Place]] = {}
        self._delayed: list[tuple[float, str, Place]] = []

    def put(self, job: Job, front: bool, not_before: float) -> None:
        since = job.submitted_at if front else not_before
        place = (-job.priority, not front, since, job.number)
        self._places[job.number] = place
        heappush(self._delayed, (not_before, job.job_type, place))

    def take(self, job: Job) -> Place | None:
        return self._places.pop(job.number, None)

    def first(self, types: frozenset[str], now: float) -> Place | None:
        """The first of these types that could run now."""
        while self._delayed and self._delayed[0][0] <= now:
            _, job_type, place = heappop(self._delayed)
            heappush(self._ready.setdefault(job_type, []), place)
        heads = (self._head(self._ready[t]) for t in types if t in self._ready)
        return min((head for head in heads if head is not None), default=None)

    def _head(self, line: list[Place]) -> Place | None:
        while line and self._places.get(line[0][-1]) != line[0]:
            heappop(line)
        return line[0] if line else None
