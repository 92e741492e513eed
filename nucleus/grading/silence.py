"""Silence: two promises about who is given up on, and the picture of a worker's heartbeats.

The promises are held against what everybody saw: when heartbeats arrived, when workers
introduced themselves, and when the master listened.
"""

from collections.abc import Iterator

from nucleus.core.events import WorkerJoined, WorkerLeft, WorkerLost
from nucleus.core.ledger import TICK
from nucleus.grading.simulated import AFTERMATH, marked
from nucleus.history.diagram import MASTER, Arrow, Diagram, Mark
from nucleus.history.history import History
from nucleus.history.invariants import Breach, Cases, Invariant
from nucleus.history.losses import ROUNDING
from nucleus.history.observations import Beat, Committed, Fault, Message, Observation, Serving
from nucleus.history.replay import Replay, Step
from nucleus.services.worker.service import HEARTBEAT_INTERVAL

DRAWN = 22.0  # seconds before a breach that are drawn


def _the_dead_are_found(replay: Replay) -> Cases:
    """Each silence that lasts for longer than the timeout, while the master counts on a worker."""
    timeout = replay.history.worker_timeout
    for joined, gone in _lives(replay):
        end = replay.end if gone is None else gone.decided
        heard = _heard(replay, joined, end)
        for last, later in zip(heard, [*heard[1:], end], strict=True):
            deadline = last + timeout + TICK + ROUNDING
            name = joined.event.worker
            if _troubled(replay, last, later):
                continue  # a master that stands still, or is dead, judges nobody
            if later > deadline:
                what = f"{name} still counts as alive {deadline - last:.2f} s after it was heard"
                yield Breach(deadline, f"{what} for the last time", worker=name)
            elif later > last + timeout:
                yield None


def _who_just_spoke_lives(replay: Replay) -> Cases:
    for joined, gone in _lives(replay):
        if gone is not None and getattr(gone.event, "reason", "") == "silence":
            silent = gone.decided - _heard(replay, joined, gone.decided)[-1]
            name = joined.event.worker
            what = f"{name} was given up on {silent:.2f} s after it was heard, before it had to"
            early = Breach(gone.at, f"{what} say anything more", worker=name)
            yield None if silent > HEARTBEAT_INTERVAL else early


def _lives(replay: Replay) -> Iterator[tuple[Step, Step | None]]:
    """From when until when the master counted on a worker."""
    counted_on: dict[str, Step] = {}
    for step in replay.of(WorkerJoined, WorkerLost, WorkerLeft):
        joined = counted_on.pop(step.event.worker, None)
        if isinstance(step.event, WorkerJoined):
            counted_on[step.event.worker] = step
        elif joined is not None:
            yield joined, step
    for joined in counted_on.values():
        yield joined, None


def _heard(replay: Replay, joined: Step, end: float) -> list[float]:
    """The moments from which the silence of a worker counts, until ``end``."""
    name = joined.event.worker
    beats = [seen.at for seen in replay.seen(Beat) if seen.worker == name]
    greetings = [
        seen.received
        for seen in replay.seen(Message)
        if seen.sender == name and seen.what == "GetJobs" and seen.received is not None
    ]
    times = sorted({joined.decided, *beats, *greetings, *_fresh(replay)})
    return [time for time in times if joined.decided <= time <= end]


def _fresh(replay: Replay) -> Iterator[float]:
    """When a master began to serve, or was no longer troubled: silence counts anew."""
    yield from (seen.at for seen in replay.seen(Serving))
    yield from (until for _, until in _troubles(replay))


def _troubled(replay: Replay, first: float, last: float) -> bool:
    return any(at < last and first < until for at, until in _troubles(replay))


def _troubles(replay: Replay) -> Iterator[tuple[float, float]]:
    for fault in replay.seen(Fault):
        if fault.target == MASTER:
            yield fault.at, fault.until or fault.at


FOUND = Invariant(
    "the-dead-are-found",
    4,
    "A worker of which nothing was heard for 10 s is given up on with the next tick.",
    _the_dead_are_found,
)

SPOKE = Invariant(
    "who-just-spoke-lives",
    4,
    "Nobody is given up on before the next heartbeat is due, which is 3 s after the last.",
    _who_just_spoke_lives,
)


# ---- the picture ----------------------------------------------------------------------


def draw_heartbeats(history: History, breach: Breach) -> Diagram:
    """The heartbeats of one worker until the breach, and what happened to it and its master."""
    worker = breach.worker
    first, last = breach.at - DRAWN, breach.at + AFTERMATH
    arrows: list[Arrow] = []
    marks: list[Mark] = []
    for seen in (seen for seen in history.observations if first <= seen.at <= last):
        match seen:
            case Message(what="Heartbeat", sender=sender, received=received) if sender == worker:
                arrows.append(Arrow(seen.at, received, worker, MASTER, "heartbeat"))
            case _:
                marks += _mark(seen, worker)
    return marked(Diagram((MASTER, worker), tuple(arrows), tuple(marks)), breach)


def _mark(seen: Observation, worker: str) -> Iterator[Mark]:
    match seen:
        case Fault(target=target, kind=kind, until=until) if target in (MASTER, worker):
            yield Mark(seen.at, target, kind, until, fault=True)
        case Serving(epoch=epoch):
            yield Mark(seen.at, MASTER, "begins to listen" if epoch else "is awake again")
        case Committed(event=WorkerJoined(worker=name)) if name == worker:
            yield Mark(seen.at, MASTER, f"{worker} joined")
        case Committed(event=WorkerLost(worker=name)) if name == worker:
            yield Mark(seen.at, MASTER, f"gives up on {worker}")
