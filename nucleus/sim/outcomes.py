"""What came of a run, in words: counted, so that a green run that exercised nothing shows."""

from collections import Counter

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    ResultRejected,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.core.news import Forgotten, Refused
from nucleus.history.history import History
from nucleus.history.observations import Committed, Message, Observation, Serving, Told, Unanswered

EVENTS = "events committed"

_WORDS: dict[type[Event], str] = {
    JobSubmitted: "job submitted",
    JobLeased: "job leased",
    JobRequeued: "requeued: {0.reason}",
    ResultRejected: "result refused: {0.reason}",
    JobFailed: "job failed: {0.reason}",
    JobCompleted: "job completed",
    JobCancelled: "job cancelled",
    WorkerJoined: "worker joined",
    WorkerLost: "worker lost: {0.reason}",
    WorkerLeft: "worker left",
}


def outcomes(history: History) -> Counter[str]:
    """What happened how often."""
    seen: Counter[str] = Counter()
    for observation in history.observations:
        if isinstance(observation, Committed):
            seen[EVENTS] += 1
            if words := _WORDS.get(type(observation.event)):
                seen[words.format(observation.event)] += 1
        elif words := _words(observation):
            seen[words] += 1
    return seen


def _words(observation: Observation) -> str:
    match observation:
        case Serving(epoch=epoch) if epoch > 1:
            return "recovery"
        case Message(what="LookupJobs"):
            return "look-up"
        case Told(news=Refused(refusal=refusal)):
            return f"refused: {refusal.reason.name}"
        case Told(news=Forgotten()):
            return "result forgotten"
        case Told(news=Unanswered(definite=True)):
            return "submit withdrawn"
    return ""
