"""Lab 3: is this worker alive?

The student's ``is_alive`` is asked about each worker at each tick. On whom it says no, the real
ledger gives up; two promises are then held against what everybody saw.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from nucleus.core.limits import Limits
from nucleus.core.rules import OURS, Rules
from nucleus.core.worker import Worker
from nucleus.grading.lab import Lab, Part, Thing
from nucleus.grading.silence import FOUND, SPOKE, draw_heartbeats
from nucleus.grading.simulated import Scenario, Simulated
from nucleus.grading.witness import Witness

NEARLY = 6.5  # seconds: two heartbeats were missed, and the third is not due yet


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


_LIVING = "the-living-are-not-buried"
_FRESH = "silence-counts-while-a-master-serves"
_SOME = {"quick": 1, "slow": 3}

_SILENCE = Simulated(
    Scenario(jobs=(2, 6), kinds=_SOME, troubles={"worker-crash": (1, 2), "zombie": (1, 1)}),
    rules,
    (FOUND, SPOKE),
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
        troubles={
            "master-pause": (2, 4),
            "partition": (2, 4),
            "worker-pause": (0, 2),
            "master-crash": (0, 1),
        },
        storm=20.0,
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
            "Heartbeats get lost, workers pause, connections break. Nobody is given up on who was"
            " heard less than 10 s ago.",
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
            "A master that was started, or that stood still, has heard nobody meanwhile. That is no"
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
