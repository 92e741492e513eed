"""Lab 0: the shortest job first.

A template. It plays by itself, without the simulator: a worker takes jobs until none is left,
and the student's ``pick`` says which. For a lab on the simulator, see ``nucleus.grading.labs``:
``queue`` is the simplest.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from nucleus.grading.lab import Finding, Lab, Part, Play, Thing
from nucleus.grading.witness import Witness
from nucleus.history.diagram import Arrow, Diagram, Mark

SHORTEST = "shortest-first"
PROMISE = "The shortest job goes first."
QUEUE, WORKER = "queue", "worker"


@dataclass(frozen=True, slots=True)
class Job:
    """What a student sees of a job: a view of its own, which they cannot change."""

    number: int
    seconds: int  # how long it takes


def jobs_of(seed: int) -> list[Job]:
    """The jobs of a schedule: all that is left to chance hangs on its seed."""
    luck = random.Random(f"{seed}/template")
    return [Job(number, luck.randint(1, 5)) for number in range(1, luck.randint(3, 6))]


def size(seed: int) -> int:
    """How many entries a schedule has: those that can be left out to make it smaller."""
    return len(jobs_of(seed))


def play(pick: Thing, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
    """One schedule: ask what is asked for, see what comes of it, and hold a promise against it."""
    waiting = [job for n, job in enumerate(jobs_of(seed)) if kept is None or n in kept]
    lengths = Counter(job.seconds for job in waiting)
    witness.seen["tie"] += max(lengths.values(), default=0) > 1
    picked: list[Job] = []
    while waiting and not witness.findings:
        job = witness.ask(pick, list(waiting))  # a fresh list: it is theirs to change
        if job not in waiting:
            if not witness.failed:  # what it raised is noted already
                witness.wrong(f"pick returned {witness.said:.80}, which is not one that waits")
            break
        waiting.remove(job)
        picked.append(job)
    findings = (*witness.findings, *_wrong_order(picked))
    return Play(findings, witness.seen, lambda: _draw(picked, findings))


def _wrong_order(picked: list[Job]) -> Iterator[Finding]:
    at = 0.0  # seconds on the clock of the story
    for job, following in pairwise(picked):
        if (following.seconds, following.number) < (job.seconds, job.number):
            what = f"job {job.number} ({job.seconds} s) went before job {following.number}"
            yield Finding(SHORTEST, PROMISE, f"{what} ({following.seconds} s).", at)
            return
        at += job.seconds


def _draw(picked: list[Job], findings: tuple[Finding, ...]) -> Diagram | None:
    """The story, for whoever wants to see what failed; ``None`` when there is none."""
    arrows, at = [], 0.0
    for job in picked:
        arrows.append(Arrow(at, at + 0.1, QUEUE, WORKER, f"job {job.number}, {job.seconds} s"))
        at += job.seconds
    when = [finding.at for finding in findings if finding.at is not None]
    marks = [Mark(time, QUEUE, "here the promise breaks", fault=True) for time in when]
    return Diagram((QUEUE, WORKER), tuple(arrows), tuple(marks)) if arrows else None


LAB = Lab(
    "template",  # the name of its folder: "10-shortest-first"
    "The shortest first",
    "pick",
    (
        Part(
            "A",
            "The shortest first",
            10,
            PROMISE,
            play,
            size,
            {"tie": "two jobs took equally long"},  # without it, nobody can tell
            (
                "Print what you are given.",
                "Of two that take equally long, the one with the smaller number goes first.",
            ),
        ),
    ),
)
