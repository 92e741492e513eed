"""What a client learns of its submits."""

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
