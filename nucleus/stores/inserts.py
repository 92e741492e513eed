"""Rows into a table, many with each statement.

SQLite's driver runs a statement for one row at a time, and hands the interpreter over each
time; a third of the time that it takes to add a row goes into that. So rows are added by a
few long statements, and what is left over one by one.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

# For each ``None`` the driver asks around whether somebody can adapt it, which takes longer than
# to add three numbers, unless somebody says at once that it stays what it is.
sqlite3.register_adapter(type(None), lambda none: none)

ROWS = 32  # of one statement; more of them gain little, and every length is compiled anew


class Insert:
    """``INSERT INTO table`` of rows that are alike."""

    def __init__(self, table: str, places: dict[str, str]) -> None:
        """``places``: by column, SQL with a place for the value."""
        head = f"INSERT INTO {table} ({', '.join(places)}) VALUES"
        row = f"({', '.join(places.values())})"
        self._one = f"{head} {row}"
        self._many = f"{head} {', '.join([row] * ROWS)}"

    def run(self, connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Add ``rows`` in order; each has the values for the places."""
        rows = iter(rows)
        while len(some := list(islice(rows, ROWS))) == ROWS:
            connection.execute(self._many, tuple(chain.from_iterable(some)))
        connection.executemany(self._one, some)
