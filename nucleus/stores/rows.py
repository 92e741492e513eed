"""Rows of a table, added and changed many with each statement.

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


class Update:
    """``UPDATE table`` of rows by their key."""

    def __init__(self, table: str, columns: Sequence[str], key: str) -> None:
        self._one = f"UPDATE {table} SET {', '.join(f'{c} = ?' for c in columns)} WHERE {key} = ?"
        row = f"({', '.join('?' * (len(columns) + 1))})"
        changes = (f"{column} = new.column{n}" for n, column in enumerate(columns, 1))
        self._many = (
            f"UPDATE {table} SET {', '.join(changes)}"
            f" FROM (VALUES {', '.join([row] * ROWS)}) AS new"
            f" WHERE {table}.{key} = new.column{len(columns) + 1}"
        )

    def run(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> int:
        """Change rows, given as values of the columns and the key; return how many there are."""
        changed = 0
        whole = len(rows) - len(rows) % ROWS
        for first in range(0, whole, ROWS):
            values = tuple(chain.from_iterable(rows[first : first + ROWS]))
            changed += connection.execute(self._many, values).rowcount
        rest = rows[whole:]
        return changed + (connection.executemany(self._one, rest).rowcount if rest else 0)


def run_for(
    connection: sqlite3.Connection,
    sql: str,
    things: Collection[T],
    values: Callable[[T], Sequence[Any]],
) -> None:
    """Run a statement for each of ``things``, which are few and nearly always none."""
    if things:
        connection.executemany(sql, map(values, things))
