"""The decisions of the ledger that can be exchanged: who is next, who is lost, what then.

:class:`Rules` holds one function for each. Its defaults are the rules of Nucleus; a lab, or
a known-wrong ledger, puts something else in the place of one of them, and the ledger, in a
simulation or in a real cluster, goes by that. All else stays as it is.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from nucleus.core.checks import refuse_report
from nucleus.core.facts import fact
from nucleus.core.job import Job
from nucleus.core.limits import Limits
from nucleus.core.ready import ReadyQueue
from nucleus.core.refusals import Refusal
from nucleus.core.worker import Report, Reports, Worker


class Queue(Protocol):
    """What the ledger asks of its queue; :class:`~nucleus.core.ready.ReadyQueue` says more."""

    @property
    def startable(self) -> bool:
        """Whether any job may run now."""

    def __len__(self) -> int:
        """Queued jobs, those that wait for their time included."""

    @property
    def size(self) -> int:
        """Characters in the payloads of queued jobs."""

    def push(self, job: Job, now: float) -> None:
        """Take in a QUEUED job."""

    def extend(self, jobs: Sequence[Job], now: float) -> None:
        """Take in QUEUED jobs of one type and priority that may run from one time on, in order."""

    def cancelled(self, job: Job) -> None:
        """Note that ``job`` left the queue from where it stood."""

    def wake(self, now: float) -> None:
        """Let in the delayed jobs whose time has come."""

    def head(self, job_types: Collection[str]) -> Job | None:
        """The next job of these types, or ``None``; it stays where it is."""

    def pop(self, job: Job) -> None:
        """Take out ``job``, which :meth:`head` has just named."""

    def waiting_since(self) -> float | None:
        """The time from which the longest-waiting job could run, in Unix seconds."""


@fact
class Fate:
    """What becomes of a job whose attempt came to nothing."""

    over: bool = False  # no attempt is left: FAILED; else it waits again
    charge: bool = False  # the attempt counts
    front: bool = True  # ahead of jobs never dispatched; else at the tail
    delay: float = 0.0  # seconds before it may run again
    suspect: bool = False  # it may have taken its worker down


INNOCENT = Fate()
"""It was never started: back to the front, and nothing is charged."""


def gives_up(worker: Worker, allowance: float, now: float, limits: Limits) -> bool:
    """Whether ``worker`` is lost: it was silent for too long (promise 4).

    Silence counts from ``allowance`` on, when the master began to serve or woke up.
    """
    return now - max(worker.last_heartbeat, allowance) > limits.worker_timeout


def after_loss(job: Job, place: int, worker: Worker) -> Fate:
    """What becomes of a job whose worker was lost; only what can have started is charged.

    Jobs run in the order received, so those are the oldest, as many as there are slots;
    ``place`` counts from 0, the oldest (promise 5).
    """
    charge = place < worker.slots
    over = charge and job.attempts + 1 >= job.max_attempts
    return Fate(over, charge, suspect=True)


def after_failure(job: Job, limits: Limits) -> Fate:
    """What becomes of a job whose attempt failed: it has had its turn, and waits (promise 6)."""
    attempts = job.attempts + 1
    delay = min(limits.retry_delay * 2.0 ** (attempts - 1), limits.max_retry_delay)
    return Fate(attempts >= job.max_attempts, charge=True, front=False, delay=delay)


def repeats(job: Job, by: Reports, report: Report) -> bool:
    """Whether this is a repeat of the report that was accepted already (promise 11)."""
    return 0 < report.lease == job.reported


@dataclass(frozen=True, slots=True)
class Rules:
    """The decisions of a ledger."""

    queue: Callable[[], Queue] = ReadyQueue
    gives_up: Callable[[Worker, float, float, Limits], bool] = gives_up
    after_loss: Callable[[Job, int, Worker], Fate] = after_loss
    after_failure: Callable[[Job, Limits], Fate] = after_failure
    repeats: Callable[[Job, Reports, Report], bool] = repeats
    refuse_report: Callable[[Job | None, Reports, Report], Refusal | None] = refuse_report


OURS = Rules()
"""The rules of Nucleus."""
