"""Lab 3: is this worker alive?

The student's ``is_alive`` is asked about each worker at each tick. On whom it says no, the real
ledger gives up; two promises are then held against what everybody saw.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from nucleus.core.events import WorkerJoined, WorkerLeft, WorkerLost
from nucleus.core.ledger import TICK
from nucleus.core.limits import Limits
from nucleus.core.rules import OURS, Rules
from nucleus.core.worker import Worker
from nucleus.grading.lab import Lab, Part, Thing
from nucleus.grading.simulated import AFTERMATH, Scenario, Simulated
from nucleus.grading.witness import Witness
from nucleus.history.diagram import MASTER, Arrow, Diagram, Mark
from nucleus.history.history import History
from nucleus.history.invariants import Breach, Cases, Invariant
from nucleus.history.losses import ROUNDING
from nucleus.history.observations import Beat, Committed, Fault, Message, Observation, Serving
from nucleus.history.replay import Replay, Step

NEARLY = 6.5  # seconds: two heartbeats were missed, and the third is not due yet
DRAWN = 22.0  # seconds before a breach that are drawn


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker, as its master sees it; times in Unix seconds."""

    name: str
    last_heard: float  # its last heartbeat, or its greeting
    listening_since: float  # the master was started, or woke up after it had stood still
    connected: bool  # whether the connection on which it is sent jobs is open
    running: int  # jobs that it said it was running, the last time


IsAlive = Callable[[WorkerSeen, float], bool]


class Detector:
    """Gives up on the workers of which ``is_alive`` says that they are not."""

    def __init__(self, is_alive: IsAlive, witness: Witness) -> None:
        self._is_alive, self._witness = is_alive, witness

    def gives_up(self, worker: Worker, allowance: float, now: float, limits: Limits) -> bool:
        """Whether ``worker`` is lost."""
        lost = OURS.gives_up(worker, allowance, now, limits)
        silent = now - worker.last_heartbeat
        seen = self._witness.seen
        seen["nearly"] += not lost and silent > NEARLY
        seen["spared"] += not lost and silent > limits.worker_timeout
        view = WorkerSeen(
            worker.name, worker.last_heartbeat, allowance, worker.connected, len(worker.running)
        )
        answer = self._witness.ask(self._is_alive, view, now)
        if type(answer) is bool:
            return not answer
        if not self._witness.failed:
            said = self._witness.said
            self._witness.wrong(f"is_alive returned {said:.80}, not True or False")
        return lost


def rules(is_alive: Thing, witness: Witness) -> Rules:
    """What a ledger goes by that asks ``is_alive``."""
    return replace(OURS, gives_up=Detector(is_alive, witness).gives_up)


# ---- the dead are found ---------------------------------------------------------------


def _the_dead_are_found(replay: Replay) -> Cases:
    """Each silence that lasts for longer than the timeout, while the master counts on a worker."""
    timeout = replay.history.worker_timeout
    for joined, gone in _lives(replay):
        end = replay.end if gone is None else gone.decided
        heard = _heard(replay, joined, end)
        for last, later in zip(heard, [*heard[1:], end], strict=True):
            deadline = last + timeout + TICK + ROUNDING
            name = joined.event.worker
            if later > deadline:
                what = f"{name} still counts as alive {deadline - last:.2f} s after it was heard"
                yield Breach(deadline, f"{what} for the last time", worker=name)
            elif later > last + timeout:
                yield None


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
    for fault in replay.seen(Fault):
        if fault.target == MASTER:
            yield fault.at
            yield fault.until or fault.at


FOUND = Invariant(
    "the-dead-are-found",
    4,
    "A worker of which nothing was heard for 10 s is given up on with the next tick.",
    _the_dead_are_found,
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
    return Diagram((MASTER, worker), tuple(arrows), tuple(marks))


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


# ---- the lab --------------------------------------------------------------------------

_ENDS = "every-job-ends"
_LIVING = "the-living-are-not-buried"
_FRESH = "silence-counts-while-a-master-serves"
_SOME = {"quick": 1, "slow": 3}

_SILENCE = Simulated(
    Scenario(jobs=(2, 6), kinds=_SOME, troubles={"worker-crash": (1, 2), "zombie": (1, 1)}),
    rules,
    (FOUND, _ENDS),
    draw_heartbeats,
)
_NOISE = Simulated(
    Scenario(
        jobs=(2, 6),
        kinds=_SOME,
        troubles={
            "worker-pause": (1, 3),
            "lost-request": (1, 2),
            "broken-stream": (0, 1),
            "partition": (0, 1),
            "zombie": (0, 1),
        },
        storm=20.0,
    ),
    rules,
    (_LIVING, FOUND),
    draw_heartbeats,
)
_FROZEN = Simulated(
    Scenario(
        jobs=(2, 6),
        kinds=_SOME,
        troubles={"master-pause": (1, 3), "master-crash": (0, 1), "worker-pause": (1, 3)},
        storm=25.0,
    ),
    rules,
    (_FRESH, _LIVING, FOUND),
    draw_heartbeats,
)

LAB = Lab(
    "03-failure-detector",
    "The failure detector",
    "is_alive",
    (
        Part(
            "A",
            "Silence",
            4,
            "A worker that says nothing for 10 s is given up on with the next tick.",
            _SILENCE.play,
            _SILENCE.size,
            {"worker lost: silence": "a worker was silent for more than 10 s"},
            (
                "How long has nothing been heard of it? Subtract.",
                "Whoever runs a job, or has a connection open, may be dead all the same.",
                "A worker that was given up on may come back under its name, and is alive then.",
            ),
        ),
        Part(
            "B",
            "Noise",
            3,
            "Heartbeats get lost, workers pause, connections break. Nobody is given up on whose last"
            " heartbeat is less than 10 s old.",
            _NOISE.play,
            _NOISE.size,
            {"nearly": f"a worker was silent for more than {NEARLY} s, and alive"},
            (
                "How many heartbeats in a row may get lost, at one every three seconds?",
                "A connection that broke is opened again. What does that say about the worker?",
            ),
        ),
        Part(
            "C",
            "The master stands still",
            3,
            "A master that was started, or that stood still, has heard nobody meanwhile, which is no"
            " worker's fault: from then on everybody has 10 s again.",
            _FROZEN.play,
            _FROZEN.size,
            {"spared": "a master had not listened while a worker was silent for more than 10 s"},
            (
                "Who was silent while the master did not listen? Nobody knows.",
                "Silence counts from the last sign of life, or from `listening_since`: from the"
                " later of the two.",
            ),
        ),
    ),
    rules,
)
