"""Asks a store file in plain SQL, as anybody may who can read the file.

    ask("jobs.db", "SELECT kind, count(*) FROM history GROUP BY kind")

The connection can read and nothing else. No code of the stores is used, and no master needs to
run. What the tables mean is in ``docs/architecture.md``.
"""

import html
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUSY = 10.0  # seconds to wait for a master that is just writing
SHOWN = 20  # rows


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """What a query found."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def value(self) -> Any:
        """The first column of the first row. Raises ``IndexError`` without a row."""
        return self.rows[0][0]

    def __repr__(self) -> str:
        lines = [self.columns, *(tuple(map(_said, row)) for row in self.rows[:SHOWN])]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = (
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        return "\n".join([*texts, *self._rest()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(_said(value))}</td>' for value in row)}</tr>"
            for row in self.rows[:SHOWN]
        )
        rest = "".join(f"<p>{html.escape(line)}</p>" for line in self._rest())
        return f"<table><tr>{head}</tr>{body}</table>{rest}"

    def _rest(self) -> list[str]:
        hidden = len(self.rows) - SHOWN
        return [f"and {hidden:,} more"] if hidden > 0 else []


def ask(store: str | Path, sql: str) -> Rows:
    """Run one statement on a store file.

    Raises ``sqlite3.OperationalError`` when there is no such file, when the statement is wrong,
    and when it would change something.
    """
    address = f"{Path(store).resolve().as_uri()}?mode=rw"  # not ro: a WAL wants to be recovered
    connection = sqlite3.connect(address, uri=True, timeout=BUSY, isolation_level=None)
    with closing(connection):
        connection.execute("PRAGMA query_only = ON")
        cursor = connection.execute(sql)
        columns = tuple(column[0] for column in cursor.description or ())
        return Rows(columns, tuple(cursor.fetchall()))


def _said(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
