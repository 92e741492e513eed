"""The jobs in a store file: each has a row in the table of where it stands, and moves on.

What was asked for is in ``submits``, written once with the event that tells of it; what changes
is a row of ``queued``, ``running`` or ``ended``.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from nucleus.core.job import JOB_FIELDS, STATE_FIELDS, Job
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.stores.rows import Delete, Insert
from nucleus.stores.schema import JOB_ID

_TABLES = {
    **dict.fromkeys(map(int, TERMINAL), "ended"),
    Status.QUEUED.value: "queued",
    Status.RUNNING.value: "running",
}
"""By status."""
_ORIGINS = {
    "queued": ("running", "queued"),
    "running": ("queued", "running"),
    "ended": ("running", "queued"),
}
"""Where a job comes from, nearly always from the first."""

_ARRIVE = {table: Insert(table, dict.fromkeys(STATE_FIELDS, "?")) for table in _ORIGINS}
_LEAVE = {table: Delete(table, "number") for table in _ORIGINS}

# Most live jobs were never dispatched. What their rows have beyond these columns is what every
# new ``Job`` has, and half of the time that loading or adding takes would go into it.
_STATUS = STATE_FIELDS.index("status")
_UNTOUCHED = Job("", 0, "", "", 0, 0, None, "", "", 0, "", 0.0, 0.0).state()[_STATUS:]
_REST = {
    name: "NULL" if value is None else repr(value)
    for name, value in zip(STATE_FIELDS[_STATUS:], _UNTOUCHED, strict=True)
}
_ARRIVE_NEW = Insert("queued", {**dict.fromkeys(STATE_FIELDS[:_STATUS], "?"), **_REST})


def _select(columns: Iterable[str], table: str) -> str:
    names = (JOB_ID if name == "id" else name for name in columns)
    return f"SELECT {', '.join(names)} FROM {table} JOIN submits USING (number)"


_NEW = JOB_FIELDS[: JOB_FIELDS.index("status")]
NEVER_DISPATCHED = f"{_select(_NEW, 'queued')} WHERE started_at IS NULL ORDER BY number"
DISPATCHED = (
    f"{_select(JOB_FIELDS, 'queued')} WHERE started_at IS NOT NULL"
    f" UNION ALL {_select(JOB_FIELDS, 'running')}"
)


def put_states(
    connection: sqlite3.Connection, states: Iterable[tuple[Any, ...]], next_number: int
) -> None:
    """Write the states (``Job.state``) of jobs; those from ``next_number`` on are new.

    Raises ``sqlite3.IntegrityError`` when one that is not new is not there.
    """
    new: list[tuple[Any, ...]] = []
    moved: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _ORIGINS}
    for state in states:
        if state[0] >= next_number and state[_STATUS:] == _UNTOUCHED:
            new.append(state[:_STATUS])
        else:
            moved[_TABLES[state[_STATUS]]].append(state)
    for table, arriving in moved.items():
        known = [state[0] for state in arriving if state[0] < next_number]
        _leave(connection, known, _ORIGINS[table])
        _ARRIVE[table].run(connection, arriving)
    _ARRIVE_NEW.run(connection, new)


def _leave(connection: sqlite3.Connection, numbers: Sequence[int], tables: Iterable[str]) -> None:
    left = 0
    for table in tables:
        if left < len(numbers):
            left += _LEAVE[table].run(connection, numbers)
    if left != len(numbers):
        raise sqlite3.IntegrityError("a job that changed is not in the file")


def drop_ended(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Remove jobs that have ended."""
    keys = [(number,) for number in numbers]
    for table in ("ended", "submits"):
        connection.executemany(f"DELETE FROM {table} WHERE number = ?", keys)


def listing(statuses: frozenset[Status], newest_first: bool) -> str:
    """SQL for jobs after a number, in order: walks along a key, or an index, merged."""
    step, direction = ("<", "DESC") if newest_first else (">", "ASC")
    everywhere = [(table, "") for table in _ORIGINS]
    wanted = [(_TABLES[status], f"status = {status:d} AND") for status in statuses]
    walks = (
        f"{_select(JOB_FIELDS, table)} WHERE {condition} number {step} ?1"
        for table, condition in wanted or everywhere
    )
    return f"{' UNION ALL '.join(walks)} ORDER BY number {direction} LIMIT ?2"
