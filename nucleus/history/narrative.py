"""The story of a job or a worker: its observations, one line each, in plain words."""

from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from typing import Any

from nucleus.core.events import JobLeased, JobSubmitted
from nucleus.history.history import History
from nucleus.history.invariants import Breach
from nucleus.history.observations import Beat, Committed, Message, Observation, Submitted, Told

LINES = 40  # of one story; the first and the last are what tells
WIDTH = 140  # characters of a line


def tell(history: History, breach: Breach) -> list[str]:
    """The story of whom ``breach`` concerns: its job, or else its worker or its client."""
    lines = list(_lines(history, breach))
    if len(lines) > LINES:
        left_out = len(lines) - LINES
        lines[LINES // 2 : -LINES // 2] = [f"… {left_out} lines …"]
    return lines


def _lines(history: History, breach: Breach) -> Iterator[str]:
    start = history.start
    submits = _submits(history, breach.job)
    for seen in history.observations:
        if isinstance(seen, Beat):
            continue
        if breach.job:
            concerned = breach.job in subjects(seen) or _submit(seen) in submits
        else:
            concerned = bool({breach.worker, breach.client}.intersection(subjects(seen)) - {""})
        if concerned:
            yield f"{seen.at - start:9.3f}  {sentence(seen)}"[:WIDTH]


def _submits(history: History, job_id: str) -> set[tuple[str, int]]:
    """The submits that became the job."""
    events = (seen.event for seen in history.events())
    made = (e for e in events if isinstance(e, JobSubmitted) and e.job_id == job_id)
    return {(event.client, event.client_seq) for event in made}


def _submit(seen: Observation) -> tuple[str, int] | None:
    return (seen.client, seen.client_seq) if isinstance(seen, Submitted | Told) else None


def subjects(seen: Observation) -> set[str]:
    """Whom an observation is about: names of jobs, workers and clients, "" among them."""
    about: Any = seen.event if isinstance(seen, Committed) else seen
    names = ("job_id", "worker", "client", "sender", "receiver", "target", "part")
    found = {getattr(about, name, "") for name in names}
    if isinstance(seen, Told):
        found.add(getattr(seen.news, "job_id", ""))
    return found


def sentence(seen: Observation) -> str:
    """An observation in a few words."""
    if isinstance(seen, Committed):
        event = seen.event
        lease = f" lease {event.seq}" if isinstance(event, JobLeased) else ""
        return f"{type(event).__name__}{lease} {_members(event, ('seq', 'at'))}"
    if isinstance(seen, Told):
        return f"{seen.client} is told {_words(seen.news)}"
    if isinstance(seen, Message):
        fate = "lost" if seen.received is None else f"{seen.received - seen.at:.3f} s"
        return f"{seen.sender} -> {seen.receiver}: {seen.what} ({fate})"
    return f"{type(seen).__name__} {_members(seen, ('at', 'until'))}"


def _words(fact: Any) -> str:
    return f"{type(fact).__name__} {_members(fact, ())}"


def _members(fact: Any, without: tuple[str, ...]) -> str:
    values = ((f.name, getattr(fact, f.name)) for f in fields(fact) if f.name not in without)
    return " ".join(
        f"{name}={_short(value)}" for name, value in values if value not in ("", None, 0)
    )


def _short(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    return f"{value:.3f}" if isinstance(value, float) else str(value)
