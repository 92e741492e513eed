"""A store in one SQLite file: the default of ``nucleus up`` and of the containers.

WAL with ``synchronous=FULL``: what was committed survives a power cut. One writer; readers
have connections of their own and see committed changes only. The tables are documented in
``docs/architecture.md`` and readable with plain SQL while a master runs.

Two things keep a second master out: a lock on ``FILE.lock``, which a running master holds,
and the epoch in the ``ledger`` table, which each commit compares (a frozen master that
wakes up has lost its epoch and is fenced).
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import inf
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any

from nucleus.core.errors import CommitFailed, Fenced, StoreRefused
from nucleus.core.events import ENDINGS, Event
from nucleus.core.job import JOB_FIELDS, Job, job_from_row, job_number
from nucleus.core.lifecycle import Status
from nucleus.core.retention import Retention, weight_of
from nucleus.core.snapshot import Changes, KeyRun, Snapshot, Totals, WorkerRow
from nucleus.stores.codec import CODECS, EVENTS_SQL, event_from_row
from nucleus.stores.lock import check_file, check_folder, hold_lock, still_holds
from nucleus.stores.pages import MAX_CHARACTERS, page_of
from nucleus.stores.rows import run_for
from nucleus.stores.schema import prepare
from nucleus.stores.states import DISPATCHED, NEVER_DISPATCHED, drop_ended, listing, put_states

BUSY_TIMEOUT = 1.0  # seconds; transactions begin on the event loop, which may not stand still

_JOB_COLUMNS = ", ".join(JOB_FIELDS)
_PUT_WORKER = "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DROP_WORKER = "DELETE FROM workers WHERE name = ?"
_PUT_KEYS = "INSERT INTO key_runs VALUES (?, ?, ?, ?)"
_key_values = attrgetter("client", "first_seq", "first_number", "count")
_FORGET_KEYS = "DELETE FROM key_runs WHERE client = ? AND first_seq + count - 1 <= ?"
_PUT_LEDGER = (
    "UPDATE ledger SET next_seq = ?, latest = ?, totals = ?, job_types = ?, first_seq = ?,"
    " trimmed_jobs = ? WHERE epoch = ?"
)
_OF_ENDED = f"kind IN ({', '.join(repr(kind.__name__) for kind in ENDINGS)})"
_OLDEST = (  # what ``Past`` says of the oldest events
    f"SELECT seq, at, CASE WHEN {_OF_ENDED} THEN number ELSE 0 END, coalesce(length(detail), 0) +"
    " coalesce((SELECT length(payload) + length(result) + length(error) + length(output)"
    f" FROM ended JOIN submits USING (number) WHERE number = history.number AND {_OF_ENDED}), 0)"
    " FROM history WHERE seq >= (SELECT first_seq FROM ledger) ORDER BY seq"
)
_TRIM = ("leases WHERE lease", "completions WHERE seq", "events WHERE seq")
MAX_NUMBER = 2**63 - 1  # of an SQLite row


@dataclass(frozen=True, slots=True)
class _Extent:
    """What the tables hold."""

    next_seq: int  # jobs from this number on are not there yet
    first_seq: int  # events before this one are there no longer
    oldest: float  # Unix seconds of the first event, inf without one
    ended: int  # jobs that have ended, and are there
    trimmed: int  # such jobs that are there no longer


class SqliteStore:
    """A store in the file ``path``, which is made when it does not exist.

    Raises ``StoreRefused``, and leaves the file as it was, when it is not a database of
    Nucleus, is read-only, belongs to a newer version, or is held by another master and
    ``take_over`` is false.
    """

    on_disk = True

    def __init__(
        self, path: Path | str, *, take_over: bool = False, retention: Retention | None = None
    ) -> None:
        self.path = Path(path)
        self._retention = retention or Retention()
        check_folder(self.path)
        check_file(self.path)
        with _nobody_writes(self.path) if take_over else nullcontext():
            self._lock_file = hold_lock(self.path, take_over)
        self._epoch = 0  # before the first load
        self._claimed = 0  # the epoch that the last load wanted
        try:
            self._writer = _connect(self.path)
            prepare(self._writer, self.path)
            self._finder, self._pager = _connect(self.path), _connect(self.path)
        except sqlite3.Error as error:
            self._lock_file.close()
            raise StoreRefused(f"store: {self.path} cannot be used: {error}") from None
        except StoreRefused:
            self._lock_file.close()
            raise
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
        if self._epoch and not self._is_ours(epoch):
            self._roll_back()
            raise self._fenced(epoch)
        self._claimed = epoch + 1
        self._writer.execute("UPDATE ledger SET epoch = ?", (self._claimed,))
        self._writer.execute("COMMIT")
        self._epoch = self._claimed

    def _is_ours(self, epoch: int) -> bool:
        """Whether it is our epoch, or that of a load whose COMMIT failed but took effect."""
        claimed = epoch == self._claimed and still_holds(self._lock_file, self.path)
        return epoch == self._epoch or claimed

    def _fenced(self, epoch: int) -> Fenced:
        return Fenced(f"another master has taken {self.path} over, with epoch {epoch}")

    def _snapshot(self) -> Snapshot:
        row = self._writer.execute("SELECT * FROM ledger").fetchone()
        ledger_id, _, next_seq, latest, counts, job_types, first_seq, trimmed = row
        totals = Totals(**json.loads(counts))
        ended = sum(totals.finished.values()) - trimmed
        self._extent = _Extent(next_seq, first_seq, self._oldest(), ended, trimmed)
        return Snapshot(
            ledger_id,
            self._epoch,
            next_seq,
            latest,
            jobs=self._live_jobs(),
            workers=self._workers(),
            keys=self._keys(),
            totals=totals,
            job_types=tuple(json.loads(job_types)),
        )

    def _oldest(self) -> float:
        row = self._writer.execute(f"{_OLDEST} LIMIT 1").fetchone()
        return row[1] if row else inf

    def stage(self, changes: Changes) -> None:
        """Write ``changes`` into a transaction; nothing of it waits for the disk."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._write(changes)
            self._staged = self._trim(changes)
            self._put_ledger(changes, self._staged)
        except sqlite3.Error as error:
            self._roll_back()
            raise CommitFailed(f"{self.path}: {error}", definite=True) from error
        except Fenced:
            self._roll_back()
            raise

    def commit(self) -> None:
        """Make what was staged durable."""
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise CommitFailed(f"{self.path}: {error}", definite=False) from error
        self._extent = self._staged

    def _write(self, changes: Changes) -> None:
        write = self._writer
        put_states(write, changes.states, self._extent.next_seq)
        # In runs of one kind, and in order: rows are appended, never inserted.
        for kind, events in groupby(changes.events, type):
            codec = CODECS[kind]
            codec.insert.run(write, map(codec.values, events))
        run_for(write, _PUT_WORKER, changes.workers, _worker_values)
        run_for(write, _DROP_WORKER, changes.gone_workers, lambda name: (name,))
        # In this order: what was forgotten may have come back in the same batch.
        run_for(write, _FORGET_KEYS, changes.forgotten_keys, tuple)
        run_for(write, _PUT_KEYS, changes.key_runs, _key_values)

    def _trim(self, changes: Changes) -> _Extent:
        """Delete a step of what is no longer kept; return what the tables hold then."""
        kept = self._grown(changes)
        if not self._exceeds(kept, changes.latest):
            return kept
        with closing(self._writer.execute(_OLDEST)) as rows:
            gone = self._retention.let_go(  # reads as far as it needs to
                rows, changes.latest, kept.ended, changes.next_seq, weight_of(changes.events)
            )
        for events in _TRIM:
            self._writer.execute(f"DELETE FROM {events} < ?", (gone.first_seq,))
        drop_ended(self._writer, gone.ended)
        ended, trimmed = kept.ended - len(gone.ended), kept.trimmed + len(gone.ended)
        return _Extent(kept.next_seq, gone.first_seq, gone.oldest, ended, trimmed)

    def _grown(self, changes: Changes) -> _Extent:
        before = self._extent
        first = changes.events[0].at if changes.events else inf
        ended = sum(changes.totals.finished.values()) - before.trimmed
        oldest = min(before.oldest, first)
        return _Extent(changes.next_seq, before.first_seq, oldest, ended, before.trimmed)

    def overdue(self, now: float) -> bool:
        """Whether more is kept than should be."""
        return self._exceeds(self._extent, now)

    def _exceeds(self, kept: _Extent, now: float) -> bool:
        events = kept.next_seq - kept.first_seq
        return self._retention.exceeded(kept.oldest, now, kept.ended, events)

    def _put_ledger(self, changes: Changes, kept: _Extent) -> None:
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
            _as_json(changes.job_types),
            kept.first_seq,
            kept.trimmed,
            self._epoch,
        )
        if self._writer.execute(_PUT_LEDGER, ledger).rowcount != 1:
            raise Fenced(f"another master has taken {self.path} over; epoch {self._epoch} is over")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # whatever it says, the transaction is over
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def check_epoch(self) -> None:
        """Raise ``Fenced`` when another master took the file over."""
        with self._reading(self._finding):
            epoch = self._finder.execute("SELECT epoch FROM ledger").fetchone()[0]
        if epoch != self._epoch:
            raise self._fenced(epoch)

    # ---- reading ----------------------------------------------------------------------

    @contextmanager
    def _reading(self, alone: threading.Lock) -> Iterator[None]:
        """Use a connection alone; raise ``CommitFailed`` when the file cannot be read."""
        try:
            with alone:
                yield
        except sqlite3.Error as error:
            raise CommitFailed(f"{self.path}: {error}", definite=True) from error

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""
        with self._reading(self._finding):
            return self._find("number = ? AND id = ?", job_number(job_id), job_id)

    def find_key(self, key: str) -> Job | None:
        """The job submitted under this user's key."""
        with self._reading(self._finding):
            return self._find("key = ? AND key != ''", key)

    def _find(self, where: str, *values: Any) -> Job | None:
        sql = f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {where}"
        row = self._finder.execute(sql, values).fetchone()
        return job_from_row(row) if row else None

    def page(
        self, after: int, limit: int, statuses: frozenset[Status], *, newest_first: bool = False
    ) -> tuple[list[Job], bool]:
        """A page of jobs, and whether there are more."""
        after = after or (MAX_NUMBER if newest_first else 0)
        values = after, limit + 1  # one more tells whether there are more
        sql = listing(statuses, newest_first)
        with self._reading(self._paging), closing(self._pager.execute(sql, values)) as rows:
            return page_of(rows, limit)

    def history(self, from_seq: int, limit: int) -> list[Event]:
        """A page of events."""
        events: list[Event] = []
        room = MAX_CHARACTERS
        asked = from_seq, limit
        with self._reading(self._paging), closing(self._pager.execute(EVENTS_SQL, asked)) as rows:
            for row in rows:
                events.append(event_from_row(row))
                room -= sum(len(value) for value in row if isinstance(value, str))
                if room <= 0:
                    break
        return events

    def first_seq(self) -> int:
        """The oldest sequence number from which the history is complete."""
        with self._reading(self._paging):
            seq: int = self._pager.execute("SELECT first_seq FROM ledger").fetchone()[0]
        return seq

    def _live_jobs(self) -> list[Job]:
        jobs = [_new_job(row) for row in self._writer.execute(NEVER_DISPATCHED)]
        jobs += [job_from_row(row) for row in self._writer.execute(DISPATCHED)]
        jobs.sort(key=attrgetter("number"))
        return jobs

    def _workers(self) -> list[WorkerRow]:
        return [_worker_row(*row) for row in self._writer.execute("SELECT * FROM workers")]

    def _keys(self) -> list[KeyRun]:
        return [KeyRun(*row) for row in self._writer.execute("SELECT * FROM key_runs")]

    def close(self) -> None:
        """Let go of the file."""
        for connection in (self._finder, self._pager, self._writer):
            connection.close()
        self._lock_file.close()


@contextmanager
def _nobody_writes(path: Path) -> Iterator[None]:
    """Keep everybody from writing meanwhile; raise ``StoreRefused`` when somebody just does.

    Who is to be replaced may stand still within a transaction. Then nobody can write, and
    taking its lock away would only let a third master in.
    """
    if not path.exists():
        yield
        return
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    except sqlite3.OperationalError as error:
        message = f"store: {path} cannot be taken over: {error}; when the master that holds it"
        raise StoreRefused(f"{message} stands still within a commit, end that first") from None


def _new_job(row: tuple[Any, ...]) -> Job:
    job = Job(*row)
    # What jobs have in common is kept once for all of them.
    job.job_type, job.client = intern(job.job_type), intern(job.client)
    if job.not_before == job.submitted_at:
        job.not_before = job.submitted_at
    return job


@lru_cache(maxsize=1)
def _as_json(job_types: tuple[str, ...]) -> str:
    """The same for nearly every commit."""
    return json.dumps(job_types)


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
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT
    )
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted here is no secret; wiping it, as some builds do, would write it once more.
    connection.execute("PRAGMA secure_delete = OFF")
    return connection
