"""Events: what happened, as frozen facts, and the only thing that leaves the core.

One stream of them feeds everything: the store makes it durable, watchers see it live,
metrics count it, the checker judges it, the timeline draws it.

Every event has ``seq``, its number in the ledger (strictly increasing, never used twice;
0 for ephemeral events, which are watched but never stored), and ``at``, in Unix seconds.
Field names are shared by all kinds, so that one message and one table row fit every event.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from nucleus.core.facts import fact


@fact
class Event:
    """Base of all events."""

    seq: int
    at: float


@fact
class JobSubmitted(Event):
    """A job entered the ledger."""

    job_id: str
    job_type: str
    payload: str  # JSON text
    priority: int
    not_before: float  # Unix seconds; equals ``at`` without a delay
    max_attempts: int
    timeout: float | None  # seconds for each attempt
    key: str  # the user's idempotency key, "" without one
    client: str  # who submitted it, "" when unknown
    client_seq: int  # the client's own key, 0 without one
    retry_of: str  # the job that this one repeats, "" for a first


@fact
class JobLeased(Event):
    """A worker got the right to run a job once. The lease is this event's ``seq``."""

    job_id: str
    worker: str
    incarnation: str


@fact
class JobCompleted(Event):
    """The one accepted result."""

    job_id: str
    lease: int
    worker: str
    result: str  # JSON text
    output: str
    run_seconds: float
    attempts: int
    client: str
    client_seq: int


@fact
class JobFailed(Event):
    """The last attempt failed, or was lost with its worker."""

    job_id: str
    lease: int
    worker: str
    error: str
    output: str
    run_seconds: float
    attempts: int
    reason: str  # failed, worker_lost or replaced
    client: str
    client_seq: int


@fact
class JobRequeued(Event):
    """A lease ended without a result, and the job waits again."""

    job_id: str
    lease: int
    worker: str
    reason: str  # worker_lost, replaced, left, undelivered, released or failed
    error: str
    output: str
    attempts: int  # after this one was charged, if it was
    not_before: float
    front: bool  # ahead of jobs never dispatched
    suspect: bool  # its worker was lost: it may be the job that did it
    run_seconds: float  # of an attempt that was reported as failed, else 0


@fact
class JobCancelled(Event):
    """Somebody no longer wants the job."""

    job_id: str
    lease: int  # the lease that became void, 0 when it was queued
    worker: str
    client: str
    client_seq: int


@fact
class WorkerJoined(Event):
    """A worker opened its first session, or came back after it was lost."""

    worker: str
    incarnation: str
    session: int
    slots: int
    job_types: tuple[str, ...]


@fact
class WorkerLost(Event):
    """A worker was given up on."""

    worker: str
    incarnation: str
    reason: str  # silence or replaced


@fact
class WorkerLeft(Event):
    """A worker said goodbye."""

    worker: str
    incarnation: str


@fact
class ResultRejected(Event):
    """A report that came under a lease that is not the job's current one."""

    job_id: str
    lease: int
    worker: str
    reason: str  # a lower-case refusal reason, such as stale_lease


@fact
class MasterStarted(Event):
    """A master began to serve this ledger."""

    epoch: int


@fact
class WorkerHeartbeat(Event):
    """Ephemeral: a worker said that it lives."""

    worker: str
    incarnation: str
    session: int
    running: tuple[int, ...]  # leases


ENDINGS = (JobCompleted, JobFailed, JobCancelled)
"""The last event of a job."""

_TEXTS: dict[type[Event], Callable[[Any], tuple[str, ...]]] = {
    JobSubmitted: lambda event: (event.payload,),
    JobCompleted: attrgetter("result", "output"),
    JobFailed: attrgetter("error", "output"),
    JobRequeued: attrgetter("error", "output"),
}


def texts(event: Event) -> tuple[str, ...]:
    """The texts in ``event`` of which somebody else chose the length."""
    told = _TEXTS.get(type(event))
    return told(event) if told else ()


KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        JobSubmitted,
        JobLeased,
        JobCompleted,
        JobFailed,
        JobRequeued,
        JobCancelled,
        WorkerJoined,
        WorkerLost,
        WorkerLeft,
        ResultRejected,
        MasterStarted,
        WorkerHeartbeat,
    )
}
