"""The tables of a store file, and how those of an older version become them.

``docs/architecture.md`` documents them: they are there to be read with plain SQL.
"""

import logging
import secrets
import sqlite3
from pathlib import Path

from nucleus.core.errors import StoreRefused

logger = logging.getLogger("nucleus.store")

APPLICATION_ID = 0x4E55434C  # "NUCL", so that other people's databases are not taken over
SCHEMA_VERSION = 3
LEDGER_ID_LENGTH = 6  # characters; those of a job's id behind them and a "-" are its number

_TABLES = """
CREATE TABLE ledger (
    ledger_id TEXT NOT NULL, epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL,
    latest REAL NOT NULL, totals TEXT NOT NULL, job_types TEXT NOT NULL,
    first_seq INTEGER NOT NULL, trimmed_jobs INTEGER NOT NULL
);
CREATE TABLE workers (
    name TEXT PRIMARY KEY, incarnation TEXT NOT NULL, slots INTEGER NOT NULL,
    job_types TEXT NOT NULL, joined_at REAL NOT NULL, status TEXT NOT NULL, retired TEXT NOT NULL,
    session INTEGER NOT NULL
);
CREATE TABLE key_runs (
    client TEXT, first_seq INTEGER, first_number INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (client, first_seq)
) WITHOUT ROWID;
"""

# What was asked for is written once. What changes of a job is a row in the table of where it
# stands: it goes from ``queued`` to ``running`` to ``ended``. Of an event there is only what the
# rows of its job do not say. Readers find it all put together, in two views.
#
# SQLite looks into the parts of such a view for what it is asked only where their columns are of
# the same type. A "+" takes the type of a column away; in "+number >=" it leaves the key to what
# the reader asks for.
#
# It is what version 3 made, and its migration makes the same: a later version that changes any
# of it brings a text of its own, and leaves this one to the migration.
JOB_ID = "(SELECT ledger_id FROM ledger) || printf('-%010d', number)"
_ASKED = """
    job_type, payload, priority, max_attempts, timeout, key, client, client_seq, retry_of,
    submitted_at"""
_STATE = """
    not_before, status, attempts, front, suspect, lease, reported, worker, incarnation,
    started_at, finished_at, result, error, output"""
_JOBS = f"SELECT {JOB_ID} AS id, number, {_ASKED}, {_STATE}\nFROM"
_JOBS_AND_HISTORY = f"""
CREATE TABLE submits (number INTEGER PRIMARY KEY, {_ASKED}, delayed_until);
CREATE UNIQUE INDEX submits_by_key ON submits (key) WHERE key != '';
CREATE TABLE queued (number INTEGER PRIMARY KEY, {_STATE});
CREATE TABLE running (number INTEGER PRIMARY KEY, {_STATE});
CREATE TABLE ended (number INTEGER PRIMARY KEY, {_STATE});
CREATE INDEX ended_by_status ON ended (status);
CREATE VIEW jobs AS
{_JOBS} queued JOIN submits USING (number) UNION ALL
{_JOBS} running JOIN submits USING (number) UNION ALL
{_JOBS} ended JOIN submits USING (number);

CREATE TABLE leases (lease INTEGER PRIMARY KEY, at, number, worker, incarnation);
CREATE TABLE completions (seq INTEGER PRIMARY KEY, number, run_seconds);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, at, kind, number, worker, lease, attempts, run_seconds, incarnation,
    reason, detail
);
CREATE VIEW history AS
SELECT
    number AS seq, +submitted_at AS at, 'JobSubmitted' AS kind, +number AS number,
    NULL AS worker, NULL AS lease, NULL AS attempts, NULL AS run_seconds, NULL AS incarnation,
    NULL AS reason, NULL AS detail, {JOB_ID} AS job_id, +job_type AS job_type,
    +payload AS payload, +priority AS priority, +max_attempts AS max_attempts,
    +timeout AS timeout, +key AS key, +client AS client, +client_seq AS client_seq,
    +retry_of AS retry_of, coalesce(delayed_until, submitted_at) AS not_before, NULL AS result,
    NULL AS output
FROM submits WHERE +number >= (SELECT first_seq FROM ledger) UNION ALL
SELECT
    lease, +at, 'JobLeased', +number, +worker, NULL, NULL, NULL, +incarnation, NULL, NULL,
    {JOB_ID}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM leases UNION ALL
SELECT
    seq, +finished_at, 'JobCompleted', +number, +worker, +reported, +attempts, +run_seconds, NULL,
    NULL, NULL, {JOB_ID}, NULL, NULL, NULL, NULL, NULL, NULL, +client, +client_seq, NULL, NULL,
    +result, +output
FROM completions JOIN ended USING (number) JOIN submits USING (number) UNION ALL
SELECT
    seq, +at, +kind, +number, +worker, +lease, +attempts, +run_seconds, +incarnation, +reason,
    +detail, CASE WHEN number NOTNULL THEN {JOB_ID} END, NULL, NULL, NULL, NULL, NULL, NULL,
    +client, +client_seq, NULL, NULL, NULL, NULL
FROM events LEFT JOIN submits USING (number);
"""

# A history of short rows: what the row of the job says is not said again, and what only some
# kinds have became ``detail``. The ledger remembers what was trimmed. A migration spells out
# what it makes, since the tables above go on changing. SQLite writes 15 digits of a number into
# JSON unless it is told otherwise.
_TO_2 = """
ALTER TABLE ledger RENAME TO ledger_1;
CREATE TABLE ledger (
    ledger_id TEXT NOT NULL, epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL,
    latest REAL NOT NULL, totals TEXT NOT NULL, job_types TEXT NOT NULL,
    first_seq INTEGER NOT NULL, trimmed_jobs INTEGER NOT NULL
);
INSERT INTO ledger SELECT ledger_id, epoch, next_seq, latest, totals, job_types, 1, 0
    FROM ledger_1;
DROP TABLE ledger_1;

DROP INDEX jobs_by_status;
DROP INDEX jobs_by_key;
ALTER TABLE jobs RENAME TO jobs_1;
CREATE TABLE jobs (
    id, number INTEGER PRIMARY KEY, job_type, payload, priority, max_attempts, timeout, key,
    client, client_seq, retry_of, submitted_at, not_before, status, attempts, front, suspect,
    lease, reported, worker, incarnation, started_at, finished_at, result, error, output
);
INSERT INTO jobs SELECT
    id, number, job_type, payload, priority, max_attempts, timeout, key,
    client, client_seq, retry_of, submitted_at, not_before, status, attempts, front, suspect,
    lease, reported, worker, incarnation, started_at, finished_at, result, error, output
    FROM jobs_1 ORDER BY number;
DROP TABLE jobs_1;
CREATE INDEX jobs_by_status ON jobs (status);
CREATE UNIQUE INDEX jobs_by_key ON jobs (key) WHERE key != '';

ALTER TABLE history RENAME TO history_1;
CREATE TABLE history (
    seq INTEGER PRIMARY KEY, at, kind, number, worker, lease, attempts, run_seconds, incarnation,
    reason, detail
);
INSERT INTO history SELECT
    seq, at, kind,
    CASE WHEN kind != 'ResultRejected' THEN CAST(substr(job_id, -10) AS INTEGER) END,
    worker, lease,
    CASE WHEN kind != 'JobSubmitted' THEN attempts END,
    run_seconds, incarnation, reason,
    CASE kind
        WHEN 'JobSubmitted' THEN
            CASE WHEN not_before != at THEN
                json_object('not_before', json(printf('%!.17g', not_before)))
            END
        WHEN 'JobFailed' THEN json_object('error', error, 'output', output)
        WHEN 'JobRequeued' THEN json_object(
            'error', error, 'output', output,
            'not_before', json(printf('%!.17g', not_before)),
            'front', json(CASE front WHEN 1 THEN 'true' ELSE 'false' END),
            'suspect', json(CASE suspect WHEN 1 THEN 'true' ELSE 'false' END)
        )
        WHEN 'WorkerJoined' THEN json_object(
            'session', session, 'slots', slots, 'job_types', json(job_types)
        )
        WHEN 'ResultRejected' THEN json_object('job_id', job_id)
        WHEN 'MasterStarted' THEN json_object('epoch', epoch)
    END
    FROM history_1 ORDER BY seq;
DROP TABLE history_1;
"""

# Jobs and their history were a table each: a wide row of a job was written three times, and its
# events beside it.
_MOVED = f"SELECT number, {_STATE} FROM jobs_2 WHERE status"
_TO_3 = f"""
ALTER TABLE jobs RENAME TO jobs_2;
ALTER TABLE history RENAME TO history_2;
{_JOBS_AND_HISTORY.strip()}
INSERT INTO submits SELECT number, {_ASKED}, (
        SELECT json_extract(detail, '$.not_before') FROM history_2
        WHERE seq = jobs_2.number AND kind = 'JobSubmitted'
    ) FROM jobs_2 ORDER BY number;
INSERT INTO queued {_MOVED} = 1 ORDER BY number;
INSERT INTO running {_MOVED} = 2 ORDER BY number;
INSERT INTO ended {_MOVED} > 2 ORDER BY number;
INSERT INTO leases SELECT seq, at, number, worker, incarnation FROM history_2
    WHERE kind = 'JobLeased' ORDER BY seq;
INSERT INTO completions SELECT seq, number, run_seconds FROM history_2
    WHERE kind = 'JobCompleted' ORDER BY seq;
INSERT INTO events SELECT * FROM history_2
    WHERE kind NOT IN ('JobSubmitted', 'JobLeased', 'JobCompleted') ORDER BY seq;
DROP TABLE jobs_2;
DROP TABLE history_2
"""

MIGRATIONS = {1: _TO_2, 2: _TO_3}
"""By version: the statements that make the tables of the next one."""


def check_version(version: int, path: Path) -> None:
    """Refuse a file whose tables are of a version that is not known here."""
    if version > SCHEMA_VERSION:
        message = f"store: {path} has schema {version}, this Nucleus knows up to {SCHEMA_VERSION}"
        raise StoreRefused(f"{message}; use a newer Nucleus")


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, or bring those of an old one up to date.

    Either happens in one transaction, so a failure leaves the file as it was. The header is
    complete before WAL begins. Raises ``sqlite3.Error`` and ``StoreRefused``.
    """
    check_version(_version(connection), path)  # the latest one, which may still be in the WAL
    if _version(connection) < SCHEMA_VERSION:
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
            if _version(connection) == 0:
                _create(connection)
            for version in range(_version(connection), SCHEMA_VERSION):
                logger.info("store %s: from schema %d to %d", path, version, version + 1)
                _run(connection, MIGRATIONS[version])
                _set_version(connection, version + 1)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system of {path} does not support WAL")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _run(connection, _TABLES + _JOBS_AND_HISTORY)
    first = (secrets.token_hex(LEDGER_ID_LENGTH // 2), 0, 1, 0.0, "{}", "[]", 1, 0)
    connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)", first)
    _set_version(connection, SCHEMA_VERSION)


def _run(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):  # ``executescript`` would end the transaction
        connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _set_version(connection: sqlite3.Connection, version: int) -> None:
    connection.execute(f"PRAGMA user_version = {version}")
