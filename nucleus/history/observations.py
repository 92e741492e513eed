"""Observations: what somebody saw of a run, as frozen facts.

A history is a list of these. Whoever records one writes down only what it can see: the
simulator sees everything, a real cluster shows its events (``WatchEvents``) and what its
clients were told, and a promise that speaks of something nobody observed stays unknown.

Every observation has ``at``, in Unix seconds by the observer's clock (in the simulator: the
true time, whatever the clocks of the parts say).

- the master: :class:`Committed` :class:`Beat` :class:`Serving` :class:`Abandoned`
  :class:`Trimmed`
- clients: :class:`Submitted` :class:`Told` :class:`CancelAnswered` :class:`Listed`
  :class:`Counted`
- workers: :class:`Received` :class:`Started` :class:`Stopped` :class:`Voided` :class:`Denied`
- what was done to them: :class:`Fault` :class:`Message`; and what never should be seen:
  :class:`Raised`
"""

import re

from nucleus.core.events import Event
from nucleus.core.facts import fact
from nucleus.core.job import JobSpec
from nucleus.core.news import Acknowledged, Ended, Forgotten, Lost, Refused


@fact
class Observation:
    """Base of all observations."""

    at: float  # Unix seconds


# ---- the master -----------------------------------------------------------------------


@fact
class Committed(Observation):
    """An event is durable. In the simulator ``at`` is when the disk had it; else when it was
    seen by whoever watches.
    """

    event: Event
    epoch: int = 0  # of the master that committed it; 0 when it is not known


@fact
class Beat(Observation):
    """A heartbeat reached a master, also one that stood still at that moment."""

    worker: str
    incarnation: str


@fact
class Serving(Observation):
    """A master began to serve, or woke up after standing still: silence counts from now."""

    epoch: int  # 0 when it is not known


@fact
class Abandoned(Observation):
    """A master whose commit failed, and that nobody replaced, answered a call with an error."""

    job_ids: tuple[str, ...]  # the jobs that the call would have made
    definite: bool  # it said that nothing happened; else that it may have happened


@fact
class Trimmed(Observation):
    """The store let go of its oldest events, and of the jobs that had ended among them."""

    first_seq: int  # the oldest event that is left


# ---- clients --------------------------------------------------------------------------

_RANDOM = re.compile(r"[0-9a-f]{16}")  # as a client names itself


def client_name(client: str) -> str:
    """What to call a client in words and pictures: one that only has a random id, by its start."""
    return f"client {client[:4]}" if _RANDOM.fullmatch(client) else client or "client"


@fact
class Submitted(Observation):
    """A client asked for a job (once; that its library repeats the request is not seen)."""

    client: str
    client_seq: int  # the client's own number for it
    job_type: str
    payload: str  # JSON text
    priority: int = 0
    delay: float = 0.0  # seconds
    max_attempts: int = 3
    key: str = ""  # the user's idempotency key
    timeout: float | None = None  # seconds for each attempt


def submitted(at: float, client: str, client_seq: int, spec: JobSpec) -> Submitted:
    """What is seen of a client that asks for ``spec``."""
    asked = spec.job_type, spec.payload, spec.priority, spec.delay, spec.max_attempts, spec.key
    return Submitted(at, client, client_seq, *asked, spec.timeout)


@fact
class Unanswered:
    """News of a submit that no answer came for, and that will not be sent again."""

    client_seq: int
    definite: bool  # it certainly did not happen; else it may have


Tidings = Acknowledged | Refused | Ended | Forgotten | Lost | Unanswered


@fact
class Told(Observation):
    """A client learned something of its submit ``client_seq``."""

    client: str
    client_seq: int
    news: Tidings


@fact
class CancelAnswered(Observation):
    """A client asked to cancel a job, and this is the answer."""

    client: str
    job_id: str
    answer: str  # "cancelled", or the name of the refusal's reason, such as "ALREADY_ENDED"


@fact
class Listed(Observation):
    """One page of a listing of all jobs, the oldest first and with no filter."""

    client: str
    walk: int  # the pages with one number belong together
    asked: float  # Unix seconds: when the first page of this walk was asked for
    job_ids: tuple[str, ...]
    last: bool  # there are no more pages


@fact
class Counted(Observation):
    """Somebody read how many jobs there are."""

    source: str  # who answered: "ledger", "metrics" …
    submitted: int
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    next_seq: int = 0  # counts everything before this event; 0 when it is not known


# ---- workers --------------------------------------------------------------------------


@fact
class Received(Observation):
    """A worker took a lease in (once, however often it arrives)."""

    worker: str
    incarnation: str
    lease: int
    job_id: str
    credit: int  # the largest window that this incarnation has stated so far, in jobs


@fact
class Started(Observation):
    """A worker began to run what it was leased."""

    worker: str
    incarnation: str
    lease: int
    job_id: str


@fact
class Stopped(Observation):
    """A lease that was received takes up no room any more: its run ended, or never began."""

    worker: str
    incarnation: str
    lease: int
    job_id: str
    outcome: str  # "completed", "failed", "released" or "voided"
    result: str = ""  # JSON text, when completed


@fact
class Voided(Observation):
    """A worker heard that a lease is void."""

    worker: str
    incarnation: str
    lease: int


@fact
class Denied(Observation):
    """A worker heard that a report of its was refused: another had the job by then."""

    worker: str
    incarnation: str
    lease: int
    job_id: str
    reason: str  # a lower-case refusal reason, such as stale_lease


# ---- what was done to them ------------------------------------------------------------


@fact
class Fault(Observation):
    """A fault injector broke something."""

    until: float | None  # Unix seconds; None when it is over at once, or its end is not known
    kind: str  # "crash", "freeze", "partition", "lost reply" …
    target: str  # the part, "" when it is none in particular


@fact
class Message(Observation):
    """A message was sent, ``at`` the time it left."""

    received: float | None  # Unix seconds; None: it was lost
    sender: str
    receiver: str
    what: str  # "submit", "lease", "result", "heartbeat" …
    job_id: str = ""


@fact
class Raised(Observation):
    """A part raised an error that nobody but a programmer should ever see."""

    part: str
    error: str


KINDS: dict[str, type[Observation]] = {
    kind.__name__: kind
    for kind in (
        Committed,
        Beat,
        Serving,
        Abandoned,
        Trimmed,
        Submitted,
        Told,
        CancelAnswered,
        Listed,
        Counted,
        Received,
        Started,
        Stopped,
        Voided,
        Denied,
        Fault,
        Message,
        Raised,
    )
}
