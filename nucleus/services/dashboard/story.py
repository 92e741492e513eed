"""The story of one job: what the ledger's history says about it, in words.

The history is one list of the events of all jobs, in order of time, and is not indexed by job.
But a job's id has the number of its first event, and the job says when its last attempt began
and when it ended: what is not near its first event is found by bisection, so that a few short
looks find nearly every story, however long the history is. Each later look goes on where the
one before ended; ``Storyteller`` remembers how far that was.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from nucleus.client import JobView
from nucleus.core.errors import NucleusError
from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    ResultRejected,
)
from nucleus.core.facts import fact
from nucleus.core.job import job_number
from nucleus.services.dashboard.gateway import Gateway, HistoryGone
from nucleus.services.dashboard.words import number, span

LOOK = 4_000
"""Events of all jobs that one look goes through."""

TAIL = 20_000
"""Events after the job's end in which late reports of it are still looked for."""

KEPT = 100
"""Stories that are remembered."""


@fact
class Line:
    """One thing that happened to the job."""

    at: float  # Unix seconds
    kind: str  # a status, or "refused": how it is marked
    words: str
    detail: str  # an error, "" when there was none
    output: str  # what the attempt printed


@dataclass(slots=True)
class Story:
    """What has been found so far."""

    position: int  # everything before this number was looked at, or skipped
    lines: list[Line] = field(default_factory=list)
    skipped: bool = False  # a part in the middle was not looked at: the job waited for long
    gone: str = ""  # why its beginning can be read no more
    problem: str = ""  # why the last look failed
    end: int = 0  # the number of the event that ended the job, 0 before
    lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, gateway: Gateway, job: JobView, head: int) -> None:
        """Read on, up to ``head``, the number of the next event of all."""
        with self.lock:
            self.problem = ""
            try:
                self._read(gateway, job.id, head)
                for at in (job.started_at, job.finished_at):
                    if at is not None and not any(line.at >= at for line in self.lines):
                        self._skip_to(gateway, at, head)
                        self._read(gateway, job.id, head)
            except HistoryGone as gone:
                self.gone, self.position = str(gone), gone.begins
            except NucleusError as error:
                self.problem = str(error)

    def _read(self, gateway: Gateway, job_id: str, head: int) -> None:
        until = min(head, self.position + LOOK)
        if until <= self.position or (self.end and self.position > self.end + TAIL):
            return
        events, self.position = gateway.events(job_id, self.position, until)
        for event in events:
            self.lines.append(line_of(event))
            if isinstance(event, JobCompleted | JobFailed | JobCancelled):
                self.end = event.seq

    def _skip_to(self, gateway: Gateway, at: float, head: int) -> None:
        """Go on shortly before what happened at ``at``, in Unix seconds."""
        low, high = self.position, head
        while high - low > LOOK // 2:
            middle = (low + high) // 2
            if gateway.time_of(middle) < at:
                low = middle
            else:
                high = middle
        self.skipped = self.skipped or low > self.position
        self.position = low


class Storyteller:
    """Remembers the stories that were asked for last. Safe to use from many threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stories: OrderedDict[str, Story] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, job: JobView, head: int) -> Story:
        """The story of the job, up to ``head``, the number of the next event of all."""
        with self._lock:
            story = self._stories.setdefault(job.id, Story(job_number(job.id)))
            self._stories.move_to_end(job.id)
            if len(self._stories) > KEPT:
                self._stories.popitem(last=False)
        story.follow(self._gateway, job, head)
        return story


def line_of(event: Event) -> Line:
    """Say what an event means for its job."""
    kind, words = _say(event)
    # Where no attempt reported an error, the words say already what the master made of it.
    error = getattr(event, "error", "") if getattr(event, "reason", "") == "failed" else ""
    return Line(event.at, kind, words, error, getattr(event, "output", ""))


def _say(event: Event) -> tuple[str, str]:
    match event:
        case JobSubmitted():
            return "QUEUED", _submitted(event)
        case JobLeased(worker=worker, seq=lease):
            return "RUNNING", f"Given to {worker}, under lease {lease}."
        case JobCompleted(worker=worker, run_seconds=run):
            return "COMPLETED", f"Completed by {worker}, which ran it for {span(run)}."
        case JobFailed(attempts=attempts):
            return "FAILED", f"{_why(event)} The job has failed, after attempt {attempts}."
        case JobRequeued():
            return "QUEUED", _requeued(event)
        case JobCancelled(lease=lease, worker=worker):
            void = f" Lease {lease} of {worker} is void at once." if lease else ""
            return "CANCELLED", f"Cancelled.{void}"
        case ResultRejected(worker=worker, lease=lease, reason=reason):
            why = reason.lower().replace("_", " ")
            return "refused", f"A report of {worker} under lease {lease} is refused: {why}."
    return "QUEUED", f"{type(event).__name__}."  # of a later version of the master


def _submitted(event: JobSubmitted) -> str:
    again = f", to try job {number(event.retry_of)} again" if event.retry_of else ""
    delay = event.not_before - event.at
    later = f" It may run in {span(delay)}." if delay > 0 else ""
    rank = f", with priority {event.priority}" if event.priority else ""
    return f"Submitted{again}{rank}.{later}"


def _requeued(event: JobRequeued) -> str:
    place = "the front" if event.front else "the tail"
    wait = event.not_before - event.at
    later = f", to be tried again in {span(wait)}" if wait > 0 else ""
    return f"{_why(event)} Back to {place} of the queue{later}."


def _why(event: JobFailed | JobRequeued) -> str:
    worker = event.worker
    return {
        "worker_lost": f"{worker} fell silent and was given up on.",
        "replaced": f"{worker} was started anew, so what it held is lost.",
        "left": f"{worker} left.",
        "undelivered": f"It never reached {worker}.",
        "released": f"{worker} handed it back without beginning it.",
        "failed": f"The attempt on {worker} failed.",
    }.get(event.reason, f"{worker}: {event.reason}.")
