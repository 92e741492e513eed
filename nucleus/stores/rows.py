"""Rows of a table, added and removed many with each statement.

SQLite's driver runs a statement for one row at a time, and hands the interpreter over each
time; a third of the time that it takes to add a row goes into that. So rows are written by a
few long statements, and what is left over one by one.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

T = TypeVar("T")

# For each ``None`` the driver asks around whether somebody can adapt it, which takes longer than
# to add three numbers, unless somebody says at once that it stays what it is.
sqlite3.register_adapter(type(None), lambda none: none)

ROWS = 32  # of one statement; more of them gain little, and every length is compiled anew


class Insert:
    """``INSERT INTO table`` of rows that are alike."""

    def __init__(self, table: str, places: Mapping[str, str]) -> None:
        """``places``: by column, SQL with a place for the value, or without one."""
        head = f"INSERT INTO {table} ({', '.join(places)}) VALUES"
        row = f"({', '.join(places.values())})"
        self._one = f"{head} {row}"
        self._many = f"{head} {', '.join([row] * ROWS)}"

    def run(self, connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Add ``rows`` in order; each has the values for the places."""
        rows = iter(rows)
        while len(some := list(islice(rows, ROWS))) == ROWS:
            connection.execute(self._many, tuple(chain.from_iterable(some)))
        if some:
            connection.executemany(self._one, some)


class Delete:
    """``DELETE FROM table`` of rows by their key."""

    def __init__(self, table: str, key: str) -> None:
        self._one = f"DELETE FROM {table} WHERE {key} = ?"
        self._many = f"DELETE FROM {table} WHERE {key} IN ({', '.join('?' * ROWS)})"

    def run(self, connection: sqlite3.Connection, keys: Sequence[Any]) -> int:
        """Remove rows, and return how many there were."""
        gone = 0
        whole = len(keys) - len(keys) % ROWS
        for first in range(0, whole, ROWS):
            gone += connection.execute(self._many, keys[first : first + ROWS]).rowcount
        rest = [(key,) for key in keys[whole:]]
        return gone + (connection.executemany(self._one, rest).rowcount if rest else 0)


def run_for(
    connection: sqlite3.Connection,
    sql: str,
    things: Collection[T],
    values: Callable[[T], Sequence[Any]],
) -> None:
    """Run a statement for each of ``things``, which are few and nearly always none."""
    if things:
        connection.executemany(sql, map(values, things))
