"""What a cluster looks like at one moment, folded from its events.

The model behind every moving picture. It knows no clock, thread, widget or cluster: the
living picture folds what a master commits, time travel folds what a recording kept.

- ``Scene.fold(event)`` takes in the next event, in the order of the ledger;
- ``Scene.view(now)`` shows the scene as plain JSON values, of bounded size;
- ``Scene.adopt…`` begins in the middle, from what a master says when it is asked.

The rules stay in the core: jobs change through ``evolve``, and queue where ``place`` says.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    MasterStarted,
    ResultRejected,
    WorkerHeartbeat,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.core.job import Job, evolve, job_number, new_job
from nucleus.core.lifecycle import TRANSITIONS, Status
from nucleus.core.limits import Limits
from nucleus.core.ready import place

KEPT = 10_000  # queued jobs known one by one; of those behind them only the number
QUEUE_SHOWN = 24  # jobs
WORKERS_SHOWN = 200
ROOMY = 24  # workers; when there are more, each shows fewer of its jobs
ENDED_SHOWN = 16  # jobs
REFUSED_SHOWN = 4  # results
NEWS_SHOWN = 5  # sentences
PAYLOAD_SHOWN = 24  # characters
REMEMBERED = 1_000  # jobs that have ended, to name those of late results
RATE_WINDOW = 5  # seconds over which throughput is counted
RATE_STEPS = 4  # of a second, in which jobs that end are counted together
LOST_SHOWN = 60.0  # seconds that a lost worker stays in the picture
LEFT_SHOWN = 5.0  # seconds that one stays that said goodbye

COUNTED = (  # jobs by status, and what happened to them in all
    *(status.name.lower() for status in Status),
    *("submitted", "requeued", "refused"),
)

View = dict[str, Any]
"""What ``Scene.view`` returns; its keys are listed there."""


@dataclass(slots=True)
class Actor:
    """A worker, as far as it can be seen from the events."""

    name: str
    incarnation: str
    slots: int
    heard: float  # Unix seconds of its last sign of life
    state: str = "alive"  # or lost, left
    beats: int = 0  # heartbeats seen
    ended: int = 0  # jobs it completed or failed
    since: float = 0.0  # when the state began
    leases: dict[int, str] = field(default_factory=dict)  # lease -> job id, oldest first


class Scene:
    """Jobs and workers at one moment."""

    def __init__(self, worker_timeout: float = Limits().worker_timeout) -> None:
        self.worker_timeout = worker_timeout  # seconds of silence after which one is lost
        self.now = 0.0  # Unix seconds, by the master's clock, of the latest event
        self.epoch = 0
        self.counts: Counter[str] = Counter()  # by the names in COUNTED
        self._began = 0.0
        self._jobs: dict[str, Job] = {}  # queued or running
        self._line: list[tuple[Any, str]] = []  # (place, job id) of queued ones, next first
        self._more = False  # behind these stand others, which are only counted
        self._actors: dict[str, Actor] = {}
        self._past: dict[str, Job] = {}  # the last that ended, by id
        self._ended: deque[View] = deque(maxlen=ENDED_SHOWN)
        self._refused: deque[View] = deque(maxlen=REFUSED_SHOWN)
        self._news: deque[View] = deque(maxlen=NEWS_SHOWN)
        self._ends: deque[list[int]] = deque(maxlen=RATE_WINDOW * RATE_STEPS)  # [step, jobs]

    # ---- beginning in the middle ------------------------------------------------------

    def adopt_counts(self, counts: Mapping[str, int], now: float) -> None:
        """Take over totals, by the names in :data:`COUNTED`, as of ``now``."""
        self.counts.update(counts)
        self.now = self._began = now

    def adopt_worker(self, name: str, incarnation: str, slots: int, state: str, age: float) -> None:
        """Take over a worker that was last heard of ``age`` seconds ago."""
        self._actors[name] = Actor(
            name, incarnation, slots, self.now - age, state, since=self.now - age
        )

    def adopt_job(self, job: Job) -> None:
        """Take over a queued or running job."""
        self._jobs[job.id] = job
        if job.status is Status.QUEUED:
            insort(self._line, (place(job), job.id))
        elif actor := self._actors.get(job.worker):
            actor.leases[job.lease or -job.number] = job.id  # readers are not told the lease

    def adopt_rest(self) -> None:
        """Know that behind the queued jobs that were taken over stand others."""
        self._more = True

    # ---- folding ----------------------------------------------------------------------

    def fold(self, event: Event) -> None:
        """Take in the next event. One that was seen before changes nothing but totals."""
        self.now = max(self.now, event.at)
        self._began = self._began or event.at
        fold = _FOLD.get(type(event))
        if fold is not None:
            fold(self, event)

    def _submitted(self, event: JobSubmitted) -> None:
        self.counts["submitted"] += 1
        self.counts["queued"] += 1
        if event.job_id not in self._jobs:
            self._queue(new_job(event))

    def _leased(self, event: JobLeased) -> None:
        self.counts["queued"] -= 1
        self.counts["running"] += 1
        job = self._take_from_line(event.job_id) or _unknown(event)
        self._jobs[job.id] = job
        _evolve(job, event)
        self._actor(event).leases[event.seq] = job.id

    def _requeued(self, event: JobRequeued) -> None:
        self.counts["running"] -= 1
        self.counts["queued"] += 1
        self.counts["requeued"] += 1
        job = self._jobs.get(event.job_id) or _unknown(event)
        self._drop_lease(event.worker, event.lease, job.id)
        _evolve(job, event)
        self._take_from_line(job.id)
        self._queue(job)
        where = "to the front of the queue" if event.front else "back into the queue"
        reason = event.reason.replace("_", " ")
        self._tell("requeued", event.at, f"{name_of(job)} goes {where} ({reason}).")

    def _completed(self, event: JobCompleted) -> None:
        self._end_attempt(event, "completed")

    def _failed(self, event: JobFailed) -> None:
        self._end_attempt(event, "failed")
        self._tell("failed", event.at, f"{self._ended[-1]['what']} failed: {event.error:.80}")

    def _cancelled(self, event: JobCancelled) -> None:
        if event.lease:
            self._end_attempt(event, "cancelled")
        else:
            self.counts["queued"] -= 1
            self._end(event, self._take_from_line(event.job_id), "cancelled")

    def _end_attempt(self, event: JobCompleted | JobFailed | JobCancelled, status: str) -> None:
        self.counts["running"] -= 1
        job = self._take_from_line(event.job_id)
        self._drop_lease(event.worker, event.lease, event.job_id)
        if actor := self._actors.get(event.worker):
            actor.ended += status != "cancelled"
        self._end(event, job, status)

    def _end(
        self, event: JobCompleted | JobFailed | JobCancelled, job: Job | None, status: str
    ) -> None:
        self.counts[status] += 1
        job = job or _unknown(event)
        self._jobs.pop(job.id, None)
        self._past[job.id] = job
        if len(self._past) > REMEMBERED:
            del self._past[next(iter(self._past))]
        self._ended.append({**_card(job, event.at), "status": status, "worker": event.worker})
        step = int(event.at * RATE_STEPS)
        if not self._ends or self._ends[-1][0] < step:
            self._ends.append([step, 0])
        self._ends[-1][1] += 1

    def _joined(self, event: WorkerJoined) -> None:
        actor = self._actor(event)
        back = actor.incarnation == event.incarnation and actor.state != "alive"
        if actor.incarnation != event.incarnation:
            actor.leases.clear()
        actor.incarnation, actor.slots, actor.state = event.incarnation, event.slots, "alive"
        actor.heard = actor.since = event.at
        self._tell("joined", event.at, f"{event.worker} {'is back' if back else 'joined'}.")

    def _lost(self, event: WorkerLost) -> None:
        self._retire(event, "lost")
        silence = f"{self.worker_timeout:g} s of silence"
        why = f"after {silence}" if event.reason == "silence" else f"({event.reason})"
        self._tell("lost", event.at, f"{event.worker} is given up on {why}.")

    def _left(self, event: WorkerLeft) -> None:
        self._retire(event, "left")
        self._tell("left", event.at, f"{event.worker} said goodbye.")

    def _retire(self, event: WorkerLost | WorkerLeft, state: str) -> None:
        self._forget_gone(event.at)
        actor = self._actor(event)
        if actor.incarnation == event.incarnation:  # else a newer one has come meanwhile
            actor.state, actor.since = state, event.at

    def _forget_gone(self, now: float) -> None:
        self._actors = {n: a for n, a in self._actors.items() if _in_sight(a, now)}

    def _beat(self, event: WorkerHeartbeat) -> None:
        actor = self._actor(event)
        actor.heard = max(actor.heard, event.at)
        actor.beats += 1

    def _rejected(self, event: ResultRejected) -> None:
        self.counts["refused"] += 1
        known = self._jobs.get(event.job_id) or self._past.get(event.job_id)
        job = known or _unknown(event)
        self._refused.append(
            {**_card(job, event.at), "worker": event.worker, "reason": event.reason, "at": event.at}
        )
        reason = event.reason.replace("_", " ")
        self._tell(
            "refused",
            event.at,
            f"A late result of {event.worker} for {name_of(job)} is refused ({reason}).",
        )

    def _master_started(self, event: MasterStarted) -> None:
        self.epoch = event.epoch
        for actor in self._actors.values():
            actor.heard = max(actor.heard, event.at)  # each has a whole timeout to come back
        self._tell("master", event.at, f"A master serves, in epoch {event.epoch}.")

    # ---- the parts of it --------------------------------------------------------------

    def _actor(self, event: Any) -> Actor:
        actor = self._actors.get(event.worker)
        if actor is None:
            slots = getattr(event, "slots", 1)
            actor = Actor(event.worker, event.incarnation, slots, event.at, since=event.at)
            self._actors[event.worker] = actor
        return actor

    def _drop_lease(self, worker: str, lease: int, job_id: str) -> None:
        if actor := self._actors.get(worker):
            actor.leases.pop(lease, None)
            actor.leases.pop(-job_number(job_id), None)  # of a job that was taken over

    def _queue(self, job: Job) -> None:
        entry = (place(job), job.id)
        self._more = self._more and self.counts["queued"] - 1 > len(self._line)
        behind = not self._line or entry > self._line[-1]
        if behind and (self._more or len(self._line) >= KEPT):
            self._more = True
            self._jobs.pop(job.id, None)
            return
        self._jobs[job.id] = job
        insort(self._line, entry)
        if len(self._line) > KEPT:
            self._more = True
            del self._jobs[self._line.pop()[1]]

    def _take_from_line(self, job_id: str) -> Job | None:
        """The job, if it is known; it is no longer in the queue."""
        job = self._jobs.get(job_id)
        if job is not None and job.status is Status.QUEUED:
            entry = (place(job), job_id)
            index = bisect_left(self._line, entry)
            if index < len(self._line) and self._line[index] == entry:
                del self._line[index]
        return job

    def _tell(self, kind: str, at: float, text: str) -> None:
        self._news.append({"kind": kind, "at": at, "text": text})

    # ---- showing ----------------------------------------------------------------------

    def view(self, now: float | None = None) -> View:
        """Show the scene at ``now`` (Unix seconds by the master's clock; else the last event's).

        The result holds JSON values only, and stays small however many jobs there are:

        - ``at``, ``epoch``, ``worker_timeout`` (s), ``counts`` (jobs), ``rate`` (jobs/s that end);
        - ``queue``: cards of the jobs at its head, the next one first;
        - ``workers``: name, state, ``age`` of the last sign of life (s), ``beats``, ``slots``,
          cards of the oldest ``jobs`` it holds, how many it holds in all, how many it ended;
        - ``more_workers``: how many are not shown;
        - ``ended``, ``refused``: cards, the latest last, with status or reason, and worker;
        - ``news``: what just happened, in words, the latest last.

        A card has ``id``, ``what`` (type and payload), ``tries`` (attempts before this one) and
        ``mark``: "", "front" (re-queued), "suspect" (may have taken a worker down), "delayed".
        """
        now = self.now if now is None else now
        seen = [actor for actor in self._actors.values() if _in_sight(actor, now)]
        seen.sort(key=lambda actor: (len(actor.name), actor.name))  # worker-2 before worker-10
        shown = 1 if len(seen) > ROOMY else 8
        return {
            "at": now,
            "epoch": self.epoch,
            "worker_timeout": self.worker_timeout,
            "counts": {name: max(0, self.counts[name]) for name in COUNTED},
            "rate": self._rate(now),
            "queue": self._head(now),
            "workers": [self._worker(actor, now, shown) for actor in seen[:WORKERS_SHOWN]],
            "more_workers": max(0, len(seen) - WORKERS_SHOWN),
            "ended": list(self._ended),
            "refused": list(self._refused),
            "news": list(self._news),
        }

    def _head(self, now: float) -> list[View]:
        cards = [_card(self._jobs[job_id], now) for _, job_id in self._line[:QUEUE_SHOWN]]
        return sorted(cards, key=lambda card: bool(card["mark"] == "delayed"))

    def _worker(self, actor: Actor, now: float, shown: int) -> View:
        held = [self._jobs[i] for i in list(actor.leases.values())[:shown] if i in self._jobs]
        return {
            "name": actor.name,
            "state": actor.state,
            "age": round(max(0.0, now - actor.heard), 2),
            "beats": actor.beats,
            "slots": actor.slots,
            "jobs": [_card(job, now) for job in held],
            "held": len(actor.leases),
            "ended": actor.ended,
        }

    def _rate(self, now: float) -> float:
        window = min(float(RATE_WINDOW), max(1.0, now - self._began))
        since = (now - window) * RATE_STEPS
        return round(sum(jobs for step, jobs in self._ends if step > since) / window, 1)


def name_of(job: Job) -> str:
    """A job in a few words: ``Fibonacci(30)``."""
    if not job.job_type:
        return "a job"
    dots = "…" if len(job.payload) > PAYLOAD_SHOWN else ""
    return f"{job.job_type}({job.payload[:PAYLOAD_SHOWN]}{dots})"


def _card(job: Job, now: float) -> View:
    mark = ""
    if job.status is Status.QUEUED and job.not_before > now:
        mark = "delayed"
    elif job.suspect or job.front:
        mark = "suspect" if job.suspect else "front"
    return {"id": job.id, "what": name_of(job), "tries": job.attempts, "mark": mark}


def _in_sight(actor: Actor, now: float) -> bool:
    stays = {"alive": float("inf"), "lost": LOST_SHOWN}.get(actor.state, LEFT_SHOWN)
    return now - actor.since <= stays


def _unknown(event: Any) -> Job:
    """A job whose submit was not seen; a lease finds it queued, all else finds it running."""
    number, worker = job_number(event.job_id), getattr(event, "worker", "")
    job = Job(event.job_id, number, "", "", 0, 1, None, "", "", 0, "", event.at, event.at)
    job.status = Status.QUEUED if isinstance(event, JobLeased) else Status.RUNNING
    job.worker = worker
    return job


def _evolve(job: Job, event: Event) -> None:
    """Change the job; what cannot happen to it was taken over, and is now told again."""
    if (job.status, type(event)) in TRANSITIONS:
        evolve(job, event)


_FOLD: dict[type[Event], Callable[[Scene, Any], None]] = {
    JobSubmitted: Scene._submitted,
    JobLeased: Scene._leased,
    JobRequeued: Scene._requeued,
    JobCompleted: Scene._completed,
    JobFailed: Scene._failed,
    JobCancelled: Scene._cancelled,
    WorkerJoined: Scene._joined,
    WorkerLost: Scene._lost,
    WorkerLeft: Scene._left,
    WorkerHeartbeat: Scene._beat,
    ResultRejected: Scene._rejected,
    MasterStarted: Scene._master_started,
}
