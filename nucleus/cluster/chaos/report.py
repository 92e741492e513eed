"""What a run of chaos came to: which faults had which consequences, and what became of the jobs."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRequeued,
    MasterStarted,
    ResultRejected,
    WorkerLost,
)
from nucleus.core.news import Acknowledged
from nucleus.history import History
from nucleus.history.checker import Verdict
from nucleus.history.observations import Fault, Submitted, Told

AFTERMATH = 3.0  # seconds after a fault, and after the timeout, that are still its consequences

# What a fault may lead to, by the kind of event.
CONSEQUENCES: dict[type[Event], str] = {
    WorkerLost: "workers lost",
    JobRequeued: "re-queued",
    ResultRejected: "late results refused",
    MasterStarted: "masters begun",
}
ENDS: dict[type[Event], str] = {
    JobCompleted: "completed",
    JobFailed: "failed",
    JobCancelled: "cancelled",
}


@dataclass(slots=True)
class FaultRow:
    """All faults of one kind that happened to one kind of part."""

    how: str
    who: str  # "worker", "client", "master" …
    times: int = 0
    seconds: float = 0.0  # altogether
    consequences: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(CONSEQUENCES.values(), 0)
    )


def fault_rows(history: History) -> list[FaultRow]:
    """The faults, with what they led to.

    A consequence belongs to the last fault of its worker or master before it; one that comes
    too late for that belongs to none.
    """
    rows: dict[tuple[str, str], FaultRow] = {}
    latest: dict[str, Fault] = {}
    for at, seen in _in_order(history):
        if isinstance(seen, Fault):
            latest[seen.target] = seen
            row = rows.setdefault(key := _key(seen), FaultRow(*key))
            row.times += 1
            row.seconds += (seen.until or seen.at) - seen.at
            continue
        if getattr(seen, "reason", "") == "failed":
            continue  # that has nothing to do with faults
        fault = latest.get(_whom(seen))
        if fault is not None and at < _over(fault, history.worker_timeout):
            rows[_key(fault)].consequences[CONSEQUENCES[type(seen)]] += 1
    return sorted(rows.values(), key=lambda row: (row.how, row.who))


def _in_order(history: History) -> Iterator[tuple[float, Fault | Event]]:
    faults = ((seen.at, seen) for seen in history.observations if isinstance(seen, Fault))
    events = (
        (seen.event.at, seen.event)  # when it was decided; it may have been seen much later
        for seen in history.events()
        if type(seen.event) in CONSEQUENCES
    )
    found: list[tuple[float, Fault | Event]] = [*faults, *events]
    return iter(sorted(found, key=lambda item: item[0]))


def _key(fault: Fault) -> tuple[str, str]:
    return fault.kind, fault.target.partition("-")[0]


def _whom(event: Event) -> str:
    return "master" if isinstance(event, MasterStarted) else str(getattr(event, "worker", ""))


def _over(fault: Fault, timeout: float) -> float:
    return (fault.until or fault.at) + timeout + AFTERMATH


def job_counts(verdict: Verdict) -> dict[str, int]:
    """What became of submits and jobs, in the order in which one asks."""
    counts: defaultdict[str, int] = defaultdict(int)
    for seen in verdict.history.events():
        kind = type(seen.event)
        name = ENDS.get(kind) or CONSEQUENCES.get(kind)
        if name is not None:
            counts[name] += 1
    account = verdict.account
    retried = len(_retried(verdict.history))
    return {
        "submitted": account.attempted,
        "acknowledged": account.acknowledged - retried,
        "retried": retried,
        "refused": account.refused,
        **{name: counts[name] for name in ENDS.values()},
        **{name: counts[name] for name in CONSEQUENCES.values()},
        "lost": account.lost,
        "duplicated": account.duplicated,
        "unexpected": account.unexpected,
        "recovered": account.recovered,
    }


def _retried(history: History) -> set[tuple[str, int]]:
    """The jobs that clients follow without having submitted them: those they had run again."""
    submitted, told = set(), set()
    for seen in history.observations:
        if isinstance(seen, Submitted):
            submitted.add((seen.client, seen.client_seq))
        elif isinstance(seen, Told) and isinstance(seen.news, Acknowledged):
            told.add((seen.client, seen.client_seq))
    return told - submitted
