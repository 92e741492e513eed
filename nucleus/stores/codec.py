"""Events as rows of a store file, and back.

The events that happen to every job have tables of their own, with what no row of the job says;
the rarer ones share ``events``, and what only some of those have is JSON text in its column
``detail``. All are read from the view ``history``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from nucleus.core.events import KINDS, Event, JobCompleted, JobLeased, JobSubmitted
from nucleus.stores.rows import Insert
from nucleus.stores.schema import LEDGER_ID_LENGTH

COLUMNS = (
    "seq",
    "at",
    "kind",
    "number",  # of the job
    "worker",
    "lease",
    "attempts",
    "run_seconds",
    "incarnation",
    "reason",
    "detail",
)
"""Of the table ``events``."""

_ASKED = (
    "job_type",
    "payload",
    "priority",
    "max_attempts",
    "timeout",
    "key",
    "client",
    "client_seq",
    "retry_of",
)
HISTORY = (*COLUMNS, "job_id", *_ASKED, "not_before", "result", "output")
"""The columns of the view ``history``; what the rows of the job say comes after the others."""

EVENTS_SQL = f"SELECT {', '.join(HISTORY)} FROM history WHERE seq >= ? ORDER BY seq LIMIT ?"
# The number of a job is the end of its id; SQLite cuts it out faster than Python.
_NUMBER = f"CAST(substr(?, {LEDGER_ID_LENGTH + 2}) AS INTEGER)"
_TUPLES = ("job_types", "running")
# What is read from the rows of the job.
_ENDED = {"job_id", "client", "client_seq"}
_FROM_JOB = {"JobRequeued": {"job_id"}, "JobFailed": _ENDED, "JobCancelled": _ENDED}


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of event is kept."""

    insert: Insert
    values: Callable[[Any], tuple[Any, ...]]


def _submitted() -> Codec:
    # Nearly every job may run at once, which need not be said.
    places = dict.fromkeys(("number", "submitted_at", *_ASKED), "?")
    insert = Insert("submits", {**places, "delayed_until": "nullif(?, ?)"})
    return Codec(insert, attrgetter("seq", "at", *_ASKED, "not_before", "at"))


def _narrow(table: str, seq: str, *names: str) -> Codec:
    """A table of one kind; ``seq`` is the name of its key."""
    places = {**dict.fromkeys((seq, *names), "?"), "number": _NUMBER}
    return Codec(Insert(table, places), attrgetter("seq", *names, "job_id"))


def _rare(kind: str) -> Codec:
    names = [field.name for field in fields(KINDS[kind])]
    from_job = _FROM_JOB.get(kind, set())
    columns = [name for name in names if name in COLUMNS]
    details = [name for name in names if name not in {*COLUMNS, *from_job}]
    places = {"kind": f"'{kind}'", **dict.fromkeys(columns, "?")}
    if from_job:
        columns.append("job_id")
        places["number"] = _NUMBER
    plain = attrgetter(*columns)
    if not details:
        return Codec(Insert("events", places), plain)
    insert = Insert("events", {**places, "detail": "?"})
    return Codec(insert, lambda event: (*plain(event), _detail(event, details)))


def _detail(event: Event, names: list[str]) -> str:
    return json.dumps({name: getattr(event, name) for name in names})


CODECS = {cls: _rare(kind) for kind, cls in KINDS.items()} | {
    JobSubmitted: _submitted(),
    JobLeased: _narrow("leases", "lease", "at", "worker", "incarnation"),
    JobCompleted: _narrow("completions", "seq", "run_seconds"),
}
_FIELDS = {kind: tuple(field.name for field in fields(cls)) for kind, cls in KINDS.items()}


def event_from_row(row: tuple[Any, ...]) -> Event:
    """The event in a row that :data:`EVENTS_SQL` found."""
    own = dict(zip(HISTORY, row, strict=True))
    values = {**own, **json.loads(own["detail"] or "{}")}
    for name in _TUPLES:
        if name in values:
            values[name] = tuple(values[name])
    kind = own["kind"]
    return KINDS[kind](*(values[name] for name in _FIELDS[kind]))
