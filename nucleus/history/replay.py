"""A replay: the history put in order, so that a promise can be held against it.

One pass over the observations brings the jobs back to life, with the function that the
ledger itself uses (``nucleus.core.job.evolve``), and notes each :class:`Step` with what the
job was before it. A step that the lifecycle does not allow is noted as such and changes
nothing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobSubmitted,
    MasterStarted,
)
from nucleus.core.job import Job, evolve, new_job
from nucleus.core.lifecycle import TRANSITIONS, IllegalMove, Status
from nucleus.history.history import History
from nucleus.history.observations import (
    Beat,
    Committed,
    Observation,
    Serving,
    Submitted,
    Told,
    Trimmed,
)

Made = TypeVar("Made")
News = TypeVar("News")
Seen = TypeVar("Seen", bound=Observation)
Holder = tuple[str, str]  # a worker and its incarnation


@dataclass(slots=True)
class Step:
    """An event, and what its job was before it."""

    at: float  # Unix seconds: when it was seen
    decided: float  # Unix seconds: when the ledger decided it, by the observer's clock
    event: Any  # an Event
    job: Job | None = None  # as it is at the end of the history; None when it is about none
    status: Status | None = None  # these four: before the event
    lease: int = 0
    holder: Holder = ("", "")
    attempts: int = 0
    legal: bool = True


class Replay:
    """Everything the invariants ask for, each thing in order of time."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.jobs: dict[str, Job] = {}
        self.steps: list[Step] = []
        self.submits: dict[tuple[str, int], Submitted] = {}
        self.told: dict[tuple[str, int], list[Told]] = defaultdict(list)
        self._steps: dict[type[Event], list[Step]] = defaultdict(list)
        self._seen: dict[type[Observation], list[Any]] = defaultdict(list)
        self._clock_ahead: dict[int, float] = {}  # epoch -> the ledger's clock less the observer's
        self._ahead = 0.0
        self._made: dict[object, Any] = {}
        for seen in history.observations:
            self._take(seen)

    # ---- asking -----------------------------------------------------------------------

    def of(self, *kinds: type[Event]) -> list[Step]:
        """The steps of one kind, or of several."""
        if len(kinds) == 1:
            return self._steps[kinds[0]]
        return [step for step in self.steps if type(step.event) in kinds]

    def seen(self, kind: type[Seen]) -> list[Seen]:
        """The observations of one kind."""
        return self._seen[kind]

    @property
    def end(self) -> float:
        """When the last thing was seen, in Unix seconds."""
        observations = self.history.observations
        return observations[-1].at if observations else 0.0

    @property
    def whole(self) -> bool:
        """Whether every event since the ledger began was seen."""
        if "whole" in self.history.settings:  # else it shows from the numbers
            return bool(self.history.settings["whole"])
        if self.history.source == "simulation":
            return True
        seqs = [step.event.seq for step in self.steps if step.event.seq]
        return bool(seqs) and seqs[0] == 1 and len(seqs) == seqs[-1]

    def news(self, kind: type[News]) -> Iterator[tuple[Told, News]]:
        """What clients were told of one kind."""
        return ((told, told.news) for told in self.seen(Told) if isinstance(told.news, kind))

    def trimmed(self) -> dict[str, float]:
        """When a store let go of which jobs."""
        cuts = [(seen.first_seq, seen.at) for seen in self.seen(Trimmed)]
        gone: dict[str, float] = {}
        for step in self.of(JobCompleted, JobFailed, JobCancelled) if cuts else ():
            place = bisect_right(cuts, (step.event.seq, inf))
            if place < len(cuts):
                gone[step.event.job_id] = cuts[place][1]
        return gone

    def leases(self) -> dict[int, Step]:
        """The first ``JobLeased`` of each lease."""
        leases: dict[int, Step] = {}
        for step in self.of(JobLeased):
            leases.setdefault(step.event.seq, step)
        return leases

    def once(self, name: object, make: Callable[[], Made]) -> Made:
        """What ``make`` returns, made only the first time that ``name`` is asked for."""
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    # ---- building ---------------------------------------------------------------------

    def _take(self, seen: Observation) -> None:
        self._seen[type(seen)].append(seen)
        if isinstance(seen, Committed):
            self._step(seen)
        elif isinstance(seen, Told):
            self.told[seen.client, seen.client_seq].append(seen)
        elif isinstance(seen, Submitted):
            self.submits.setdefault((seen.client, seen.client_seq), seen)
        elif isinstance(seen, Serving) and seen.epoch:
            self._clock_ahead[seen.epoch] = -seen.at

    def _step(self, seen: Committed) -> None:
        event = seen.event
        if isinstance(event, MasterStarted):
            began = self._clock_ahead.get(event.epoch)
            self._ahead = 0.0 if began is None else event.at + began
        step = Step(seen.at, event.at - self._ahead, event)
        self.steps.append(step)
        self._steps[type(event)].append(step)
        if isinstance(event, JobSubmitted):
            self._submit(step, event)
        elif job := self.jobs.get(getattr(event, "job_id", "")):
            _change(step, job)

    def _submit(self, step: Step, event: JobSubmitted) -> None:
        known = self.jobs.get(event.job_id)
        step.legal = known is None
        step.job = known or self.jobs.setdefault(event.job_id, new_job(event))


def _change(step: Step, job: Job) -> None:
    step.job, step.status, step.lease = job, job.status, job.lease
    step.holder, step.attempts = (job.worker, job.incarnation), job.attempts
    if type(step.event) in CHANGES:
        try:
            evolve(job, step.event)
        except IllegalMove:
            step.legal = False


CHANGES = frozenset(kind for _, kind in TRANSITIONS) - {JobSubmitted}
"""The kinds of events that change a job."""


class Silence:
    """When something was last heard of each worker."""

    def __init__(self, replay: Replay) -> None:
        self._beats: dict[Holder, list[float]] = defaultdict(list)
        for beat in replay.seen(Beat):
            self._beats[beat.worker, beat.incarnation].append(beat.at)
        self._fresh: list[float] = []
        latest = 0
        for serving in replay.seen(Serving):
            if not 0 < serving.epoch < latest:  # else it is a master that was replaced already
                self._fresh.append(serving.at)
                latest = max(latest, serving.epoch)

    def heartbeat(self, holder: Holder, now: float) -> float | None:
        """The last heartbeat of a worker before ``now``, in Unix seconds."""
        return _last(self._beats.get(holder, ()), now)

    def allowance(self, now: float) -> float | None:
        """When a master last began to count silence anew before ``now``, in Unix seconds."""
        return _last(self._fresh, now)


def _last(times: Sequence[float], now: float) -> float | None:
    place = bisect_right(times, now)
    return times[place - 1] if place else None
