"""Asks a store file in plain SQL, as anybody may who can read the file.

    ask("jobs.db", "SELECT kind, count(*) FROM history GROUP BY kind")

The connection can read and nothing else. No code of the stores is used, and no master needs to
run. What the tables mean is in ``docs/architecture.md``.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from nucleus.notebook.rows import Rows

BUSY = 10.0  # seconds to wait for a master that is just writing


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
