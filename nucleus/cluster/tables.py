"""What a store file says, read with plain SQL and without any code of the stores."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from nucleus.core.snapshot import Totals
from nucleus.history import Tables

BUSY = 30.0  # seconds to wait for a master that is just writing


def read_tables(file: Path) -> Tables:
    """All jobs and the totals, as of one moment. Raises ``sqlite3.Error``."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=BUSY)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        jobs = connection.execute("SELECT * FROM jobs ORDER BY number").fetchall()
        totals = connection.execute("SELECT totals FROM ledger").fetchone()["totals"]
        connection.execute("ROLLBACK")
    return Tables(tuple(dict(job) for job in jobs), Totals(**json.loads(totals)))
