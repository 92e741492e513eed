"""Lab 5: does this result count?

The student's ``accept`` decides for every report that reaches the master. Where it accepts
what it should not, the ledger books it all the same, and the checker finds it in the history.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from nucleus.core.checks import refuse_report
from nucleus.core.job import Job
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.rules import OURS, Rules
from nucleus.core.worker import Report, Reports
from nucleus.grading.lab import Lab, Part, Thing
from nucleus.grading.simulated import SUBMITTED, Scenario, Simulated
from nucleus.grading.witness import Witness


@dataclass(frozen=True, slots=True)
class JobNow:
    """A job, as it is at this moment."""

    number: int
    status: str  # QUEUED, RUNNING, COMPLETED, FAILED or CANCELLED
    lease: int  # the current lease; 0 when nobody has one
    worker: str  # who was given the last lease
    incarnation: str  # which life of that worker it was


@dataclass(frozen=True, slots=True)
class ResultReport:
    """A worker says how a job went."""

    lease: int  # under which it ran
    worker: str
    incarnation: str
    succeeded: bool


Accept = Callable[[JobNow, ResultReport], bool]


class Booking:
    """Books what ``accept`` accepts."""

    def __init__(self, accept: Accept, witness: Witness) -> None:
        self._accept, self._witness = accept, witness
        self._accepted = False  # the report that is just being looked at

    def repeats(self, job: Job, by: Reports, report: Report) -> bool:
        """Whether to say thanks and do nothing: it was booked before, and is not again."""
        again = OURS.repeats(job, by, report)
        self._witness.seen["repeat"] += again
        self._accepted = self._ask(job, by, report, not again)
        return again and not self._accepted

    def _ask(self, job: Job, by: Reports, report: Report, right: bool) -> bool:
        view = JobNow(job.number, job.status.name, job.lease, job.worker, job.incarnation)
        said = ResultReport(report.lease, by.worker, by.incarnation, report.error is None)
        answer = self._witness.ask(self._accept, view, said)
        if isinstance(answer, bool):
            return answer
        if not self._witness.failed:
            self._witness.wrong(
                f"accept({view}, {said}) returned {self._witness.said:.80}, not True or False",
                job.id,
            )
        return right and refuse_report(job, by, report) is None

    def refuse_report(self, job: Job | None, by: Reports, report: Report) -> Refusal | None:
        """Refuse what was not accepted; where it was, make the book fit."""
        refusal = refuse_report(job, by, report)
        if refusal is not None:
            self._witness.seen[refusal.reason.name] += 1
        if job is None:
            return refusal
        if self._accepted and refusal is not None:
            job.status, job.lease = Status.RUNNING, report.lease
            job.worker, job.incarnation = by.worker, by.incarnation
            return None
        if not self._accepted and refusal is None:
            return Refusal(Reason.STALE_LEASE, "accept: it did not")
        return refusal


def rules(accept: Thing, witness: Witness) -> Rules:
    """What a ledger goes by that asks ``accept``."""
    booking = Booking(accept, witness)
    return replace(OURS, repeats=booking.repeats, refuse_report=booking.refuse_report)


_ONCE = "moves-are-legal"
_CURRENT = "only-the-current-lease-counts"
_HOLDER = "results-come-from-the-holder"
_ENDS = "every-job-ends"
_SLOW = {"quick": 1, "slow": 4}

_PLAIN = Simulated(Scenario(kinds={"quick": 2, "slow": 1, "flaky": 2}), rules, (_ENDS, _ONCE))
_ZOMBIES = Simulated(
    Scenario(jobs=(3, 8), kinds=_SLOW, troubles={"zombie": (1, 3), "replaced": (0, 1)}),
    rules,
    (_CURRENT, _ONCE, _ENDS),
)
_REPEATS = Simulated(
    Scenario(jobs=(4, 10), troubles={"duplicate": (1, 2), "lost-reply": (1, 2)}),
    rules,
    (_ONCE, _CURRENT, _ENDS),
)
_STRANGERS = Simulated(
    Scenario(
        jobs=(4, 10),
        kinds=_SLOW,
        cancelled=0.4,
        workers=3,
        troubles={"stray-report": (3, 8), "zombie": (0, 1), "replaced": (0, 2)},
    ),
    rules,
    (_HOLDER, _CURRENT, _ONCE, _ENDS),
)

LAB = Lab(
    "05-fencing",
    "Fencing",
    "accept",
    (
        Part(
            "A",
            "The ordinary result",
            2,
            "The result of the worker that has the job is accepted, and the job ends.",
            _PLAIN.play,
            _PLAIN.size,
            {_ENDS: SUBMITTED},
            (
                "Print both arguments: in an ordinary run, what do they have in common?",
                "`accept` answers True or False, every time.",
            ),
        ),
        Part(
            "B",
            "Zombies",
            3,
            "A worker that was given up on comes back with a result. The job is another's by then,"
            " or has ended: it is refused.",
            _ZOMBIES.play,
            _ZOMBIES.size,
            {"STALE_LEASE": "a result came under a lease that was not the job's current one"},
            (
                "The same worker can be given the same job twice: its name is not enough.",
                "A newer lease always has a larger number. Which one may end the job?",
                "One comparison does it: the report's lease is the job's, or it is not.",
            ),
        ),
        Part(
            "C",
            "Twice the same",
            3,
            "A result can arrive twice, because its answer was lost. It is booked once.",
            _REPEATS.play,
            _REPEATS.size,
            {"repeat": "a report arrived once more after it had been accepted"},
            (
                "What does the job look like when its result has been booked?",
                "A job that has ended has lease 0. What does the second report say?",
            ),
        ),
        Part(
            "D",
            "Strangers",
            2,
            "A report for a cancelled job, or from somebody who does not hold the lease, is"
            " refused.",
            _STRANGERS.play,
            _STRANGERS.size,
            {
                "WRONG_WORKER": "somebody reported a lease that was another's",
                "CANCELLED": "a result came for a job that had been cancelled",
            },
            (
                "The number of a lease is no secret. Who was it given to?",
                "A worker that is started again keeps its name, and has another incarnation.",
            ),
        ),
    ),
    rules,
)
