"""What a client learns of its submits."""

from nucleus.core.events import Event, JobCancelled, JobCompleted, JobFailed
from nucleus.core.facts import fact
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Refusal


@fact
class Acknowledged:
    """The submit is durable."""

    client_seq: int
    job_id: str


@fact
class Refused:
    """The submit was refused; nothing happened."""

    client_seq: int
    refusal: Refusal


@fact
class Ended:
    """The job is in its last status."""

    client_seq: int
    job_id: str
    status: Status
    result: str = ""  # JSON text
    error: str = ""


@fact
class Lost:
    """The ledger that knew the job is gone."""

    client_seq: int
    ledger_id: str  # of the one that answers in its place


@fact
class Forgotten:
    """The job has ended, longer ago than the ledger remembers."""

    client_seq: int
    job_id: str


News = Acknowledged | Refused | Ended | Lost | Forgotten


def end_of(event: Event) -> Ended | None:
    """The end of a job that ``event`` tells of, if it does."""
    if isinstance(event, JobCompleted):
        return Ended(event.client_seq, event.job_id, Status.COMPLETED, event.result)
    if isinstance(event, JobFailed):
        return Ended(event.client_seq, event.job_id, Status.FAILED, error=event.error)
    if isinstance(event, JobCancelled):
        return Ended(event.client_seq, event.job_id, Status.CANCELLED)
    return None
