"""Lab 6: what becomes of a job whose attempt came to nothing?

The student's ``what_next`` is asked when an attempt has failed, and for each job that a lost
worker held. The real ledger charges, delays, or gives up, as it says.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nucleus.core.events import JobFailed, JobRequeued
from nucleus.core.job import Job
from nucleus.core.limits import Limits
from nucleus.core.rules import OURS, Fate, Rules
from nucleus.core.worker import Worker
from nucleus.grading.lab import Lab, Part, Thing
from nucleus.grading.simulated import Scenario, Simulated, draw_jobs
from nucleus.grading.witness import Witness
from nucleus.history.diagram import Diagram
from nucleus.history.history import History
from nucleus.history.invariants import Breach, Cases, Invariant, breach
from nucleus.history.losses import LOST, ROUNDING
from nucleus.history.replay import Replay

A_YEAR = 3.2e7  # seconds
LONGEST = 8.0  # seconds that a job waits after a failure
OUR_LIMITS = Limits(max_retry_delay=LONGEST)  # as the lab asks for it


@dataclass(frozen=True, slots=True)
class Tried:
    """A job of which an attempt has just come to nothing."""

    number: int
    attempts: int  # that were charged before this one
    max_attempts: int  # that it may be charged


@dataclass(frozen=True, slots=True)
class Ending:
    """How the attempt ended."""

    reported: bool  # the worker says that it failed; else the worker was lost
    place: int  # of all that the lost worker held, so many had come before this job
    slots: int  # so many jobs that worker runs at once


WhatNext = Callable[[Tried, Ending], tuple[bool, float] | None]


class Budget:
    """Ends attempts as ``what_next`` says."""

    def __init__(self, what_next: WhatNext, witness: Witness) -> None:
        self._what_next, self._witness = what_next, witness

    def after_failure(self, job: Job, limits: Limits) -> Fate:
        """What becomes of a job whose attempt failed."""
        return self._ask(job, Ending(True, 0, 1), OURS.after_failure(job, OUR_LIMITS))

    def after_loss(self, job: Job, place: int, worker: Worker) -> Fate:
        """What becomes of a job whose worker was lost."""
        ours = OURS.after_loss(job, place, worker)
        self._witness.seen["innocent"] += not ours.charge
        return self._ask(job, Ending(False, place, worker.slots), ours)

    def _ask(self, job: Job, how: Ending, ours: Fate) -> Fate:
        view = Tried(job.number, job.attempts, job.max_attempts)
        answer = self._witness.ask(self._what_next, view, how)
        if self._witness.failed:
            return ours
        if answer is None:
            return replace(ours, over=True, charge=True)
        if _makes_sense(answer):
            charged, wait = answer
            return replace(ours, over=False, charge=charged, delay=float(wait))
        said = f"what_next returned {self._witness.said:.80}, which is neither None"
        self._witness.wrong(f"{said} nor a pair such as (True, 2.0)", job.id)
        return ours


def _makes_sense(answer: Any) -> bool:
    if type(answer) is not tuple or len(answer) != 2:
        return False
    charged, wait = answer
    return type(charged) is bool and type(wait) in (int, float) and 0 <= wait <= A_YEAR


def rules(what_next: Thing, witness: Witness) -> Rules:
    """What a ledger goes by that asks ``what_next``."""
    budget = Budget(what_next, witness)
    return replace(OURS, after_failure=budget.after_failure, after_loss=budget.after_loss)


# ---- promises of this lab -------------------------------------------------------------


def _nobody_is_given_up_early(replay: Replay) -> Cases:
    for step in replay.of(JobFailed):
        if step.job is not None:
            spent, limit = step.event.attempts, step.job.max_attempts
            what = f"{step.job.id} was given up after attempt {spent} of {limit}"
            yield None if spent >= limit else breach(step, what)


def _the_wait_doubles(replay: Replay) -> Cases:
    for step in replay.of(JobRequeued):
        event = step.event
        if event.reason == "failed":
            wait = min(2.0 ** (event.attempts - 1), LONGEST)
            after = f"after failure {event.attempts}"
        elif event.reason in LOST:
            wait, after = 0.0, "after its worker was lost"
        else:
            continue
        waited = max(event.not_before - event.at, 0.0)
        what = f"{event.job_id} has to wait {waited:g} s {after}, in the place of {wait:g} s"
        yield None if abs(waited - wait) < ROUNDING else breach(step, what)


EARLY = Invariant(
    "nobody-is-given-up-early",
    5,
    "A job is given up only once its attempts are spent.",
    _nobody_is_given_up_early,
)
DOUBLES = Invariant(
    "the-wait-doubles",
    6,
    "After a failure a job waits 1 s, 2 s, 4 s, and then 8 s; after a loss it does not wait.",
    _the_wait_doubles,
)


def draw_with_its_neighbours(history: History, breach: Breach) -> Diagram | None:
    """The story of a job, and of the others that went the same way at the same moment."""
    events = [seen.event for seen in history.events() if seen.at == breach.at]
    others = [event.job_id for event in events if isinstance(event, JobRequeued | JobFailed)]
    return draw_jobs(history, [breach.job, *others], breach)


# ---- the lab --------------------------------------------------------------------------

_LIMITED = "attempts-are-limited"
_ADD_UP = "reported-attempts-add-up"
_SUSPECTS = "suspects-are-charged"
_INNOCENTS = "innocents-are-not-charged"
_ENDS = "every-job-ends"

_BUDGET = Simulated(
    Scenario(
        jobs=(3, 7),
        kinds={"failing": 2, "flaky": 2, "quick": 1},
        max_attempts=(1, 2, 3, 5),
        storm=4.0,
        calm=40.0,
    ),
    rules,
    (_LIMITED, EARLY, _ADD_UP, _ENDS),
)
_BACKOFF = Simulated(
    Scenario(
        jobs=(2, 5),
        kinds={"failing": 2, "flaky": 1, "quick": 1},
        max_attempts=(3, 6),
        storm=4.0,
        calm=60.0,
    ),
    rules,
    (DOUBLES, _LIMITED, EARLY, _ADD_UP, _ENDS),
)
_POISON = Simulated(
    Scenario(
        jobs=(4, 9),
        kinds={"killer": 1, "quick": 1, "slow": 2},
        max_attempts=(2, 3),
        slots=(1, 2),
        calm=200.0,
    ),
    rules,
    (_SUSPECTS, _LIMITED, EARLY, DOUBLES, _ENDS),
    draw_with_its_neighbours,
)
_PREFETCHED = Simulated(
    Scenario(
        jobs=(12, 20),
        kinds={"killer": 1, "quick": 12},
        slots=(1, 2),
        moments=2,
        calm=200.0,
    ),
    rules,
    (_INNOCENTS, _SUSPECTS, _LIMITED, EARLY, _ENDS),
    draw_with_its_neighbours,
)

LAB = Lab(
    "06-poison",
    "Poison",
    "what_next",
    (
        Part(
            "A",
            "A budget",
            3,
            "A job that fails is tried again until its attempts are spent, and no longer.",
            _BUDGET.play,
            _BUDGET.size,
            {"job failed: failed": "a job failed until its attempts were spent"},
            (
                "`attempts` does not contain the one that has just failed.",
                "`max_attempts` differs from job to job, and can be 1.",
                "An attempt that the worker reported always counts.",
            ),
        ),
        Part(
            "B",
            "Backoff",
            2,
            "Before it is tried again it waits: 1 s, then twice as long each time, at most 8 s.",
            _BACKOFF.play,
            _BACKOFF.size,
            {"the-wait-doubles": "a job waited after a failure"},
            (
                "Write down the first four waits, and the number of failures before each of them.",
                "2 to the power of 0 is 1. And `min` finds the smaller of two numbers.",
            ),
        ),
        Part(
            "C",
            "Poison",
            3,
            "A job that can have taken its worker down is charged, and the poison stops; what comes"
            " back does not wait.",
            _POISON.play,
            _POISON.size,
            {"killer-job": "a job took its worker down"},
            (
                "Nobody reports that a job killed its worker: who could? Suspicion has to do.",
                "A worker runs what it was given in the order in which it came, as many at once as"
                " it has slots. Which of its jobs can have been running?",
                "Among those that were running nobody knows the guilty one: all are charged.",
            ),
        ),
        Part(
            "D",
            "Innocents",
            2,
            "A job that stood behind the poison, and cannot have been running, is not charged.",
            _PREFETCHED.play,
            _PREFETCHED.size,
            {"innocent": "a lost worker held a job that cannot have been running"},
            (
                "A worker holds more jobs than it runs. What does `place` say?",
                "With 2 slots, the jobs at place 0 and 1 can have been running, and no other.",
            ),
        ),
    ),
    rules,
)
