"""A job, and how events change it.

:func:`evolve` is the only place that changes a job. The ledger decides which events
happen; whoever holds the events (a replay, the checker, time travel) gets the same jobs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
)
from nucleus.core.lifecycle import TERMINAL, Status, next_status

MAX_DIGITS = 18  # of a number, so that a database can keep it


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a client asks for."""

    job_type: str
    payload: str  # JSON text
    priority: int = 0
    delay: float = 0.0  # seconds
    max_attempts: int = 3
    timeout: float | None = None  # seconds for each attempt
    key: str = ""  # the user's idempotency key
    client_seq: int = 0  # the client's own key
    retry_of: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """Jobs that differ in their payload only. What is alike is checked and sent once."""

    like: JobSpec  # its payload and client_seq do not count
    payloads: Sequence[str]  # JSON texts
    first_seq: int = 0  # the client's own key for the first; they count up; 0 without

    def seq(self, place: int) -> int:
        """The client's own key for the job at ``place``, 0 without."""
        return self.first_seq and self.first_seq + place


@dataclass(slots=True)
class Job:
    """One row of the ledger. The fields, in this order, are the columns of a store."""

    id: str
    number: int  # in the id: the ``seq`` of ``JobSubmitted``
    job_type: str
    payload: str
    priority: int
    max_attempts: int
    timeout: float | None
    key: str
    client: str
    client_seq: int
    retry_of: str
    submitted_at: float
    not_before: float
    status: Status = Status.QUEUED
    attempts: int = 0  # attempts that ended or were lost
    front: bool = False  # waits ahead of jobs never dispatched
    suspect: bool = False  # may have taken a worker down
    lease: int = 0  # the current lease, 0 when not RUNNING
    reported: int = 0  # the last lease whose report was accepted
    worker: str = ""  # of the current or last attempt
    incarnation: str = ""
    started_at: float | None = None  # the current or last attempt was leased
    finished_at: float | None = None
    result: str = ""  # JSON text, once COMPLETED
    error: str = ""  # the last one
    output: str = ""  # printed by the last attempt that was reported

    @property
    def ended(self) -> bool:
        """Whether the job is in a status that it never leaves."""
        return self.status in TERMINAL

    def row(self) -> tuple[Any, ...]:
        """The fields as a tuple: a snapshot that later events do not change."""
        return _row_of(self)

    def state(self) -> tuple[Any, ...]:
        """The number, and the fields that events after the first may change."""
        return state_of(self)

    def asks_the_same(self, like: JobSpec, payload: str) -> bool:
        """Whether this could be a repeat of the request that made this job."""
        return payload == self.payload and _asked(self) == _asked(like)


JOB_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Job))
# Plain integers: SQLite's driver takes several times as long over a bool or an enum member.
_PLAIN = {"status": "status._value_", "front": "front.real", "suspect": "suspect.real"}
_CHANGING = JOB_FIELDS.index("not_before")
STATE_FIELDS: tuple[str, ...] = ("number", *JOB_FIELDS[_CHANGING:])
_row_of: Callable[[Job], tuple[Any, ...]] = attrgetter(*(_PLAIN.get(n, n) for n in JOB_FIELDS))
state_of: Callable[[Job], tuple[Any, ...]] = attrgetter(*(_PLAIN.get(n, n) for n in STATE_FIELDS))
"""What :meth:`Job.state` returns, for many jobs: without a method between."""
_STATUSES = {status.value: status for status in Status}
_asked = attrgetter("job_type", "priority", "max_attempts", "timeout", "retry_of")


asked_of: Callable[[JobSubmitted], tuple[Any, ...]] = attrgetter(
    *("job_id", "seq", "job_type", "payload", "priority", "max_attempts", "timeout", "key"),
    *("client", "client_seq", "retry_of", "at"),
)
"""The fields that never change, in the order of a job's row: those before its state."""


def row_with(asked: tuple[Any, ...], state: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row of a job, from :func:`asked_of` (or the row that it had) and its state."""
    return (*asked[:_CHANGING], *state[1:])


def job_from_row(row: tuple[Any, ...]) -> Job:
    """The job whose :meth:`Job.row` is ``row``; numbers stand in for status and booleans."""
    job = Job(*row)
    job.status = _STATUSES[job.status]
    job.front = job.front == 1
    job.suspect = job.suspect == 1
    return job


def make_job_id(ledger_id: str, seq: int) -> str:
    """An id that sorts by time and names its ledger; ``seq`` is that of ``JobSubmitted``."""
    return f"{ledger_id}-{str(seq).zfill(10)}"  # twice as fast as ``:010d``


def job_number(job_id: str) -> int:
    """The ``seq`` in a job id; 0 for a text that is no job id."""
    number = job_id.rpartition("-")[2]
    digits = number.isascii() and number.isdigit()
    return int(number) if digits and 10 <= len(number) <= MAX_DIGITS else 0


def new_job(event: JobSubmitted) -> Job:
    """The job that ``event`` brings into being."""
    return Job(  # in the order of the fields: naming them costs time for each job
        event.job_id,
        event.seq,
        event.job_type,
        event.payload,
        event.priority,
        event.max_attempts,
        event.timeout,
        event.key,
        event.client,
        event.client_seq,
        event.retry_of,
        event.at,
        event.not_before,
        next_status(None, event),
    )


def evolve(job: Job, event: Event) -> None:
    """Change ``job`` as ``event`` says; raise ``IllegalMove`` when it cannot happen to it."""
    job.status = next_status(job.status, event)
    _EVOLVE[type(event)](job, event)


def _leased(job: Job, event: JobLeased) -> None:
    job.lease = event.seq
    job.worker = event.worker
    job.incarnation = event.incarnation
    job.started_at = event.at


def _completed(job: Job, event: JobCompleted) -> None:
    job.reported = event.lease
    job.result = event.result
    job.error = ""
    job.output = event.output
    job.attempts = event.attempts
    _end(job, event)


def _failed(job: Job, event: JobFailed) -> None:
    if event.reason == "failed":
        job.reported = event.lease
        job.output = event.output
    job.error = event.error
    job.attempts = event.attempts
    _end(job, event)


def _requeued(job: Job, event: JobRequeued) -> None:
    if event.reason in ("failed", "released"):  # the worker reported; the others are inferred
        job.reported = event.lease
    if event.error:
        job.error = event.error
        job.output = event.output
    job.attempts = event.attempts
    job.not_before = event.not_before
    job.front = event.front
    job.suspect = event.suspect
    job.lease = 0


def _end(job: Job, event: Event) -> None:
    job.lease = 0
    job.finished_at = event.at


_EVOLVE: dict[type[Event], Callable[[Job, Any], None]] = {
    JobLeased: _leased,
    JobCompleted: _completed,
    JobFailed: _failed,
    JobRequeued: _requeued,
    JobCancelled: _end,
}
