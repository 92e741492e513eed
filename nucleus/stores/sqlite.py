"""A store in one SQLite file: the default of ``nucleus up`` and of the containers.

WAL with ``synchronous=FULL``: what was committed survives a power cut. One writer; readers
have connections of their own and see committed changes only. The tables are documented in
``docs/architecture.md`` and readable with plain SQL while a master runs.

Two things keep a second master out: a lock on ``FILE.lock``, which a running master holds,
and the epoch in the ``ledger`` table, which each commit compares (a frozen master that
wakes up has lost its epoch and is fenced).
"""

import fcntl
import json
import os
import secrets
import sqlite3
import threading
from dataclasses import astuple
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from nucleus.core.errors import CommitFailed, Fenced, StoreRefused
from nucleus.core.events import Event
from nucleus.core.job import JOB_FIELDS, Job, job_from_row, job_number
from nucleus.core.lifecycle import Status
from nucleus.core.snapshot import Changes, KeyRun, Snapshot, Totals, WorkerRow
from nucleus.stores.codec import CODECS, COLUMNS, EVENTS_SQL, event_from_row

APPLICATION_ID = 0x4E55434C  # "NUCL", so that other people's databases are not taken over
SCHEMA_VERSION = 1

_MAGIC = b"SQLite format 3\0"
_JOB_COLUMNS = ", ".join(JOB_FIELDS)
_SCHEMA = f"""
CREATE TABLE ledger (
    ledger_id TEXT NOT NULL, epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL,
    latest REAL NOT NULL, totals TEXT NOT NULL, job_types TEXT NOT NULL
);
CREATE TABLE jobs (
    {_JOB_COLUMNS.replace("number", "number INTEGER PRIMARY KEY")}
);
CREATE INDEX jobs_by_status ON jobs (status);
CREATE UNIQUE INDEX jobs_by_key ON jobs (key) WHERE key != '';
CREATE TABLE workers (
    name TEXT PRIMARY KEY, incarnation TEXT NOT NULL, slots INTEGER NOT NULL,
    job_types TEXT NOT NULL, joined_at REAL NOT NULL, status TEXT NOT NULL, retired TEXT NOT NULL,
    session INTEGER NOT NULL
);
CREATE TABLE key_runs (
    client TEXT, first_seq INTEGER, first_number INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (client, first_seq)
) WITHOUT ROWID;
CREATE TABLE history (
    seq INTEGER PRIMARY KEY, {", ".join(COLUMNS[1:])}
);
"""
_ADD_JOB = f"INSERT INTO jobs VALUES ({', '.join('?' * len(JOB_FIELDS))})"
# What a client asked for never changes, so it is not written again.
_CHANGING = JOB_FIELDS[JOB_FIELDS.index("not_before") :]
_CHANGE_JOB = "UPDATE jobs SET {} WHERE number = ?{}".format(
    ", ".join(f"{name} = ?{JOB_FIELDS.index(name) + 1}" for name in _CHANGING),
    JOB_FIELDS.index("number") + 1,
)
_NUMBER = JOB_FIELDS.index("number")
_PUT_WORKER = "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_KEYS = "INSERT INTO key_runs VALUES (?, ?, ?, ?)"
_FORGET_KEYS = "DELETE FROM key_runs WHERE client = ? AND first_seq + count - 1 <= ?"
_PUT_LEDGER = (
    "UPDATE ledger SET next_seq = ?, latest = ?, totals = ?, job_types = ? WHERE epoch = ?"
)


class SqliteStore:
    """A store in the file ``path``, which is made when it does not exist.

    Raises ``StoreRefused``, and leaves the file as it was, when it is not a database of
    Nucleus, is read-only, belongs to a newer version, or is held by another master and
    ``take_over`` is false.
    """

    on_disk = True

    def __init__(self, path: Path | str, *, take_over: bool = False) -> None:
        self.path = Path(path)
        _check_folder(self.path)
        _check_file(self.path)
        self._lock_file = _lock(self.path, take_over)
        self._epoch = 0  # before the first load
        self._staged = 0
        self._next_seq = 0  # jobs from this number on are not in the file yet
        try:
            self._writer = _connect(self.path)
            _prepare(self._writer, self.path)
            self._finder, self._pager = _connect(self.path), _connect(self.path)
        except sqlite3.Error as error:
            self._lock_file.close()
            raise StoreRefused(f"store: {self.path} cannot be used: {error}") from None
        self._finding, self._paging = threading.Lock(), threading.Lock()

    # ---- writing ----------------------------------------------------------------------

    def load(self) -> Snapshot:
        """Begin a new epoch and return the live jobs.

        Only the first call takes the file over. A later one, after a failed commit, raises
        ``Fenced`` when somebody else has taken it meanwhile.
        """
        try:
            self._begin_epoch()
            return self._snapshot()
        except sqlite3.Error as error:
            self._roll_back()
            raise CommitFailed(f"{self.path}: {error}", definite=True) from error

    def _begin_epoch(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        epoch = self._writer.execute("SELECT epoch FROM ledger").fetchone()[0]
        if self._epoch and epoch != self._epoch:
            self._roll_back()
            raise self._fenced(epoch)
        self._writer.execute("UPDATE ledger SET epoch = ?", (epoch + 1,))
        self._writer.execute("COMMIT")
        self._epoch = epoch + 1

    def _fenced(self, epoch: int) -> Fenced:
        return Fenced(f"another master has taken {self.path} over, with epoch {epoch}")

    def _snapshot(self) -> Snapshot:
        row = self._writer.execute("SELECT * FROM ledger").fetchone()
        ledger_id, _, next_seq, latest, totals, job_types = row
        self._next_seq = next_seq
        return Snapshot(
            ledger_id,
            self._epoch,
            next_seq,
            latest,
            jobs=self._jobs("WHERE status IN (1, 2) ORDER BY number"),
            workers=self._workers(),
            keys=self._keys(),
            totals=Totals(**json.loads(totals)),
            job_types=tuple(json.loads(job_types)),
        )

    def stage(self, changes: Changes) -> None:
        """Write ``changes`` into a transaction; nothing of it waits for the disk."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._write(changes)
        except sqlite3.Error as error:
            self._roll_back()
            raise CommitFailed(f"{self.path}: {error}", definite=True) from error
        except Fenced:
            self._roll_back()
            raise
        self._staged = changes.next_seq

    def commit(self) -> None:
        """Make what was staged durable."""
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise CommitFailed(f"{self.path}: {error}", definite=False) from error
        self._next_seq = self._staged

    def _write(self, changes: Changes) -> None:
        write = self._writer
        new: list[tuple[Any, ...]] = []
        known: list[tuple[Any, ...]] = []
        for row in changes.jobs:
            (new if row[_NUMBER] >= self._next_seq else known).append(row)
        write.executemany(_ADD_JOB, new)
        write.executemany(_CHANGE_JOB, known)
        # In runs of one kind, and in order: rows are appended, never inserted.
        for kind, events in groupby(changes.events, type):
            codec = CODECS[kind]
            write.executemany(codec.insert, map(codec.values, events))
        write.executemany(_PUT_WORKER, (_worker_values(row) for row in changes.workers))
        write.executemany(
            "DELETE FROM workers WHERE name = ?", [(n,) for n in changes.gone_workers]
        )
        write.executemany(_PUT_KEYS, (astuple(run) for run in changes.key_runs))
        write.executemany(_FORGET_KEYS, changes.forgotten_keys)
        totals = changes.totals
        counts = {
            "submitted": totals.submitted,
            "finished": totals.finished,
            "requeued": totals.requeued,
            "rejected": totals.rejected,
        }
        ledger = (
            changes.next_seq,
            changes.latest,
            json.dumps(counts),
            json.dumps(changes.job_types),
            self._epoch,
        )
        if write.execute(_PUT_LEDGER, ledger).rowcount != 1:
            raise Fenced(f"another master has taken {self.path} over; epoch {self._epoch} is over")

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def check_epoch(self) -> None:
        """Raise ``Fenced`` when another master took the file over."""
        try:
            with self._finding:
                epoch = self._finder.execute("SELECT epoch FROM ledger").fetchone()[0]
        except sqlite3.Error as error:
            raise CommitFailed(f"{self.path}: {error}", definite=True) from error
        if epoch != self._epoch:
            raise self._fenced(epoch)

    # ---- reading ----------------------------------------------------------------------

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""
        with self._finding:
            return self._find("number = ? AND id = ?", job_number(job_id), job_id)

    def find_key(self, key: str) -> Job | None:
        """The job submitted under this user's key."""
        with self._finding:
            return self._find("key = ? AND key != ''", key)

    def _find(self, where: str, *values: Any) -> Job | None:
        sql = f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {where}"
        row = self._finder.execute(sql, values).fetchone()
        return job_from_row(row) if row else None

    def page(self, after: int, limit: int, statuses: frozenset[Status]) -> list[Job]:
        """At most ``limit`` jobs with a number above ``after``, oldest first."""
        pages = [self._page(after, limit, status) for status in statuses or (None,)]
        jobs = sorted((job for page in pages for job in page), key=lambda job: job.id)
        return jobs[:limit]

    def _page(self, after: int, limit: int, status: Status | None) -> list[Job]:
        where = "number > ?" if status is None else f"status = {int(status)} AND number > ?"
        sql = f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {where} ORDER BY number LIMIT ?"
        with self._paging:
            return [job_from_row(row) for row in self._pager.execute(sql, (after, limit))]

    def history(self, from_seq: int, limit: int) -> list[Event]:
        """At most ``limit`` events from ``from_seq`` on."""
        with self._paging:
            rows = self._pager.execute(EVENTS_SQL, (from_seq, limit)).fetchall()
        return [event_from_row(row) for row in rows]

    def first_seq(self) -> int:
        """The oldest sequence number from which the history is complete."""
        return 1

    def _jobs(self, rest: str) -> list[Job]:
        sql = f"SELECT {_JOB_COLUMNS} FROM jobs {rest}"
        return [job_from_row(row) for row in self._writer.execute(sql)]

    def _workers(self) -> list[WorkerRow]:
        return [_worker_row(*row) for row in self._writer.execute("SELECT * FROM workers")]

    def _keys(self) -> list[KeyRun]:
        return [KeyRun(*row) for row in self._writer.execute("SELECT * FROM key_runs")]

    def close(self) -> None:
        """Let go of the file."""
        for connection in (self._finder, self._pager, self._writer):
            connection.close()
        self._lock_file.close()


def _worker_values(row: WorkerRow) -> tuple[Any, ...]:
    types, retired = json.dumps(row.job_types), json.dumps(row.retired)
    last = row.status, retired, row.session
    return row.name, row.incarnation, row.slots, types, row.joined_at, *last


def _worker_row(
    name: str,
    inc: str,
    slots: int,
    types: str,
    at: float,
    status: str,
    retired: str,
    session: int,
) -> WorkerRow:
    job_types, incarnations = tuple(json.loads(types)), tuple(json.loads(retired))
    return WorkerRow(name, inc, slots, job_types, at, status, incarnations, session)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _check_folder(path: Path) -> None:
    """SQLite makes files beside the store, so the folder must be there and writable."""
    if not path.parent.is_dir():
        raise StoreRefused(f"store: the folder {path.parent} does not exist; make it first")
    if _read_only(path.parent):
        message = f"store: the folder of {path} is read-only; a master makes files beside it"
        raise StoreRefused(message)


def _read_only(path: Path) -> bool:
    # Root may write whatever the mode says, but whoever set it did not mean us to.
    return path.stat().st_mode & 0o222 == 0 or not os.access(path, os.W_OK)


def _check_file(path: Path) -> None:
    """Look at an existing file without changing it, or anything beside it."""
    if not path.exists():
        return
    if not path.is_file():
        raise StoreRefused(f"store: {path} is not a file")
    if _read_only(path):
        raise StoreRefused(f"store: {path} is read-only; a master must be able to write to it")
    if path.stat().st_size == 0:
        return
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise StoreRefused(f"store: {path} is not a database")
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreRefused(f"store: {path} is not a database ({error})") from None
    if application != APPLICATION_ID:
        raise StoreRefused(f"store: {path} is a database of another program")
    if version > SCHEMA_VERSION:
        message = f"store: {path} has schema {version}, this Nucleus knows up to {SCHEMA_VERSION}"
        raise StoreRefused(f"{message}; use a newer Nucleus")


def _lock(path: Path, take_over: bool) -> TextIO:
    """Hold ``FILE.lock`` for as long as this process lives; its content is the process id."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        handle = open(lock_path, "a+")  # noqa: SIM115 - held open for the life of the store
        holder = _hold(handle)
        if holder and take_over:
            handle.close()
            lock_path.unlink(missing_ok=True)  # its holder keeps a file that has no name
            return _lock(path, take_over=False)
    except OSError as error:
        raise StoreRefused(f"store: {path} cannot be locked: {error}") from None
    if holder:
        handle.close()
        message = f"store: {path} is in use by the master with process id {holder}"
        raise StoreRefused(f"{message}; stop it, or start with --take-over")
    return handle


def _hold(handle: TextIO) -> str:
    """Lock the file and write who holds it; return the holder if that is somebody else."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        return handle.read().strip() or "unknown"
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return ""


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file; the header is complete before WAL begins."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            first = (secrets.token_hex(3), 0, 1, 0.0, "{}", "[]")
            connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", first)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system of {path} does not support WAL")
