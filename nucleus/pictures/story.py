"""The story of a job, in words: everything that was seen of it, one sentence each."""

from collections.abc import Iterator

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    MasterStarted,
    ResultRejected,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.core.news import Acknowledged, Ended, Refused
from nucleus.core.refusals import shorten
from nucleus.history import History
from nucleus.history.observations import (
    Abandoned,
    Beat,
    CancelAnswered,
    Committed,
    Counted,
    Denied,
    Fault,
    Listed,
    Message,
    Observation,
    Raised,
    Received,
    Serving,
    Started,
    Stopped,
    Submitted,
    Told,
    Trimmed,
    Voided,
    client_name,
)
from nucleus.pictures.attempts import short_name
from nucleus.pictures.style import count

Line = tuple[int, float, str]  # place in the history, seconds since its start, sentence


def jobs_of(history: History) -> list[str]:
    """The ids of the jobs whose submit was seen, the oldest first."""
    events = (seen.event for seen in history.events())
    return [event.job_id for event in events if isinstance(event, JobSubmitted)]


def find_job(history: History, name: str) -> str:
    """The id of the job with this id or number; raise ``KeyError`` when there is none."""
    for job_id in jobs_of(history):
        if name in (job_id, short_name(job_id)):
            return job_id
    raise KeyError(f"no job {shorten(name)} in this history")


def story_of(history: History, job_id: str) -> list[Line]:
    """Everything that was seen of a job, in order of time."""
    return list(_lines(history, job_id))


def _lines(history: History, job_id: str) -> Iterator[Line]:
    keys = {
        (seen.event.client, seen.event.client_seq)
        for seen in history.events()
        if isinstance(seen.event, JobSubmitted) and seen.event.job_id == job_id
    }
    start = history.start
    for place, seen in enumerate(history.observations):
        if _is_about(seen, job_id) or _key(seen) in keys:
            yield place, seen.at - start, sentence(seen)


def _is_about(seen: Observation, job_id: str) -> bool:
    about = seen.event if isinstance(seen, Committed) else seen
    return getattr(about, "job_id", "") == job_id


def _key(seen: Observation) -> tuple[str, int] | None:
    return (seen.client, seen.client_seq) if isinstance(seen, Submitted | Told) else None


def sentence(seen: Observation) -> str:
    """One observation, as one would say it."""
    match seen:
        case Committed(event=event):
            return _of_event(event)
        case Beat(worker=worker):
            return f"A heartbeat of {worker} reached the master."
        case Serving():
            return "A master begins to serve, or wakes up; silence counts from now."
        case Abandoned(definite=definite):
            says = "nothing happened" if definite else "it may have happened"
            return f"A commit fails, and the master says that {says}."
        case Trimmed():
            return "The store lets go of its oldest events."
        case Submitted(client=client, job_type=kind, payload=payload):
            return f"{client_name(client)} asks for {kind}({payload:.40})."
        case Told(client=client, news=news):
            return f"{client_name(client)} is told: {_of_news(news)}"
        case CancelAnswered(client=client, answer=answer):
            return f"{client_name(client)} asked to cancel, and the answer is {_plain(answer)}."
        case Fault(kind=kind, target=target):
            return f"Fault: {kind}{f' of {target}' if target else ''}."
        case Message(sender=sender, receiver=receiver, what=what, received=received):
            lost = "; it is lost" if received is None else ""
            return f"{sender} sends {what} to {receiver}{lost}."
    return _of_worker(seen)


def _of_worker(seen: Observation) -> str:
    match seen:
        case Received(worker=worker, lease=lease):
            return f"{worker} receives lease {lease}."
        case Started(worker=worker, lease=lease):
            return f"{worker} begins to run it, under lease {lease}."
        case Stopped(worker=worker, lease=lease, outcome=outcome):
            return f"{worker} is done with lease {lease}: {outcome}."
        case Voided(worker=worker, lease=lease):
            return f"{worker} hears that lease {lease} is void."
        case Denied(worker=worker, lease=lease, reason=reason):
            return (
                f"{worker} hears that its report under lease {lease} is refused ({_plain(reason)})."
            )
    return _of_reader(seen)


def _of_reader(seen: Observation) -> str:
    match seen:
        case Listed(client=client, job_ids=jobs):
            page = f"a page of the list of all jobs, {count(len(jobs), 'job')} long"
            return f"{client_name(client)} reads {page}."
        case Counted(source=source, submitted=submitted):
            return f"Somebody reads the counts of {source}: {count(submitted, 'job')} in all."
        case Raised(part=part, error=error):
            return f"{part} raises an error that nobody should see: {error:.60}"
    return f"{type(seen).__name__}."


def _of_event(event: Event) -> str:
    match event:
        case JobSubmitted(job_id=job, job_type=kind, payload=payload):
            return f"Job {short_name(job)}, {kind}({payload:.40}), is in the queue."
        case JobLeased(job_id=job, worker=worker, seq=lease):
            return f"{worker} gets job {short_name(job)} under lease {lease}."
        case JobCompleted(job_id=job, worker=worker, result=result, run_seconds=run):
            return f"Job {short_name(job)} is completed by {worker} in {run:.3g} s: {result:.60}"
        case JobFailed(job_id=job, reason=reason, error=error, attempts=attempts):
            why = f"{_plain(reason)}{f': {error:.60}' if error else ''}"
            return f"Job {short_name(job)} fails for good after attempt {attempts} ({why})."
        case JobRequeued(job_id=job, reason=reason, front=front, worker=worker):
            where = "to the front of the queue" if front else "back into the queue"
            why = f"its lease to {worker} is void ({_plain(reason)})"
            return f"Job {short_name(job)} goes {where}; {why}."
        case JobCancelled(job_id=job):
            return f"Job {short_name(job)} is cancelled."
        case ResultRejected(worker=worker, reason=reason, lease=lease):
            return f"A report of {worker} under lease {lease} is refused ({_plain(reason)})."
    return _of_part(event)


def _of_part(event: Event) -> str:
    match event:
        case WorkerJoined(worker=worker, slots=slots):
            return f"{worker} joins, with {count(slots, 'slot')}."
        case WorkerLost(worker=worker, reason=reason):
            return f"{worker} is given up on ({_plain(reason)})."
        case WorkerLeft(worker=worker):
            return f"{worker} says goodbye."
        case MasterStarted(epoch=epoch):
            return f"A master opens the ledger, in epoch {epoch}."
    return f"{type(event).__name__}."


def _of_news(news: object) -> str:
    match news:
        case Acknowledged(job_id=job):
            return f"job {short_name(job)} is durable."
        case Refused(refusal=refusal):
            return f"refused; {refusal.message}"
        case Ended(job_id=job, status=status):
            return f"job {short_name(job)} is {status.name}."
    return f"{type(news).__name__.lower()}."


def _plain(reason: str) -> str:
    return reason.lower().replace("_", " ")
