"""Events as rows of the ``history`` table and back.

The history does not say again what the row of the job says already (its type, payload,
result …), so the events that happen to every job are short rows. What rarer events have
beside is JSON text in the column ``detail``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from nucleus.core.events import KINDS, Event, JobSubmitted
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
JOB_COLUMNS = (
    "id",
    "job_type",
    "payload",
    "priority",
    "max_attempts",
    "timeout",
    "key",
    "client",
    "client_seq",
    "retry_of",
    "result",
    "output",
)
_ENDED = {"job_id", "client", "client_seq"}
_FROM_JOB = {  # fields that are read from the job's row
    "JobSubmitted": {*JOB_COLUMNS, "job_id"} - {"result", "output"},
    "JobLeased": {"job_id"},
    "JobRequeued": {"job_id"},
    "JobCompleted": _ENDED | {"result", "output"},
    "JobFailed": _ENDED,
    "JobCancelled": _ENDED,
}
_TUPLES = ("job_types", "running")


def _from_job(name: str) -> str:
    """The column of the job, read for those kinds only that have it: it may be long."""
    kinds = [kind for kind, names in _FROM_JOB.items() if name in names or name == "id"]
    return f"CASE WHEN kind IN ({', '.join(map(repr, kinds))}) THEN jobs.{name} END"


EVENTS_SQL = (
    f"SELECT {', '.join(f'history.{name}' for name in COLUMNS)},"
    f" {', '.join(map(_from_job, JOB_COLUMNS))}"
    " FROM history LEFT JOIN jobs USING (number) WHERE seq >= ? ORDER BY seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of event is kept."""

    insert: Insert
    values: Callable[[Any], tuple[Any, ...]]


def _codec(kind: str) -> Codec:
    names = [field.name for field in fields(KINDS[kind])]
    from_job = _FROM_JOB.get(kind, set())
    columns = [name for name in names if name in COLUMNS]
    details = [name for name in names if name not in {*COLUMNS, *from_job}]
    places = {"kind": f"'{kind}'", **dict.fromkeys(columns, "?")}
    if KINDS[kind] is JobSubmitted:
        columns.append("seq")  # which is the number of the job
        places["number"] = "?"
    elif from_job:
        # The number of a job is the end of its id; SQLite cuts it out faster than Python.
        columns.append("job_id")
        places["number"] = f"CAST(substr(?, {LEDGER_ID_LENGTH + 2}) AS INTEGER)"
    plain = attrgetter(*columns)
    if not details:
        return Codec(Insert("history", places), plain)
    places["detail"] = "?"
    insert = Insert("history", places)
    if KINDS[kind] is JobSubmitted:
        return Codec(insert, lambda event: (*plain(event), _delay(event)))
    return Codec(insert, lambda event: (*plain(event), _detail(event, details)))


def _detail(event: Event, names: list[str]) -> str:
    values = {name: getattr(event, name) for name in names}
    return json.dumps(values)


def _delay(event: JobSubmitted) -> str | None:
    """Nearly every job may run at once, which need not be said."""
    return None if event.not_before == event.at else _detail(event, ["not_before"])


CODECS = {cls: _codec(kind) for kind, cls in KINDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(cls)) for kind, cls in KINDS.items()}


def event_from_row(row: tuple[Any, ...]) -> Event:
    """The event in a row that :data:`EVENTS_SQL` found."""
    own = dict(zip(COLUMNS, row, strict=False))
    job = dict(zip(JOB_COLUMNS, row[len(COLUMNS) :], strict=True))
    kind = own["kind"]
    values = {"not_before": own["at"], **own, **json.loads(own["detail"] or "{}")}
    values |= {name: job[name] for name in JOB_COLUMNS if name in _FROM_JOB.get(kind, ())}
    values.setdefault("job_id", job["id"])
    for name in _TUPLES:
        if name in values:
            values[name] = tuple(values[name])
    return KINDS[kind](*(values[name] for name in _FIELDS[kind]))
