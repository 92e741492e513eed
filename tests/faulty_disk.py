"""A disk that fails when it is told to, and a master by hand on it.

A :class:`FaultyDisk` makes the n-th statement of a store fail as SQLite would. Behind it the
real ledger, outbox and store live through the failure in the way of the engine: the calls that
waited learn whether they certainly did not happen, the ledger is loaded again, and says exactly
what the file says.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from nucleus.core.errors import CommitFailed, StoreRefused
from nucleus.core.events import JobLeased
from nucleus.core.job import JOB_FIELDS, STATE_FIELDS
from nucleus.core.ledger import Ledger
from nucleus.core.outbox import Outbox
from nucleus.core.snapshot import Changes
from nucleus.core.worker import Report
from nucleus.stores import SqliteStore
from tests.core_support import Queue, Types
from tests.durable_judge import one_moment

# ---- a disk that fails when it is told to ---------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A way in which SQLite fails."""

    message: str
    rolls_back: bool  # SQLite itself ends the transaction


FAULTS = (
    Fault("disk I/O error", rolls_back=True),
    Fault("database or disk is full", rolls_back=True),
    Fault("database is locked", rolls_back=False),
    Fault("attempt to write a readonly database", rolls_back=False),
)
LOOK_UP_FAILED = (sqlite3.Error, CommitFailed)
Decide = Callable[[str], Fault | None]


@dataclass
class FaultyDisk:
    """Decides for each statement of each connection whether it fails, and how."""

    decide: Decide = lambda sql: None
    after: bool = False  # a COMMIT that fails has taken effect
    failed: list[str] = field(default_factory=list)  # SQL
    commit_issued: bool = False  # since whoever looks has set it to False

    def fault(self, sql: str) -> Fault | None:
        """The fault that this statement meets."""
        self.commit_issued |= sql == "COMMIT"
        fault = self.decide(sql)
        if fault is not None:
            self.failed.append(sql)
        return fault

    def fail_at(self, first: int, fault: Fault, *, lasting: int = 1, sql: str = "") -> None:
        """From now on, let ``lasting`` statements that begin with ``sql`` fail from a number on.

        The next one has the number 1.
        """
        passed = count(1)

        def decide(statement: str) -> Fault | None:
            fails = statement.startswith(sql) and first <= next(passed) < first + lasting
            return fault if fails else None

        self.decide = decide


class FaultyConnection(sqlite3.Connection):
    """A real connection to a real file, on a disk that fails when it is told to."""

    disk: FaultyDisk

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        fault = self.disk.fault(sql)
        if fault is None:
            return super().execute(sql, parameters)
        if sql == "ROLLBACK" or (sql == "COMMIT" and self.disk.after):
            super().execute(sql)  # SQLite has ended the transaction, whatever it says
        raise self._error(fault)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        fault = self.disk.fault(sql)
        if fault is None:
            return super().executemany(sql, rows)
        for row in rows:  # it fails after the first row
            super().execute(sql, row)
            break
        raise self._error(fault)

    def _error(self, fault: Fault) -> sqlite3.OperationalError:
        if fault.rolls_back and self.in_transaction:
            super().execute("ROLLBACK")
        return sqlite3.OperationalError(fault.message)


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    """The disk under every store that this test opens."""
    disk = FaultyDisk()
    kind = type("Connection", (FaultyConnection,), {"disk": disk})
    connect = partial(sqlite3.connect, factory=kind)
    monkeypatch.setattr("nucleus.stores.sqlite.sqlite3", _Sqlite3(connect))
    return disk


class _Sqlite3:
    """The module ``sqlite3``, but for ``connect``."""

    def __init__(self, connect: Callable[..., sqlite3.Connection]) -> None:
        self.connect = connect

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)


# ---- a master by hand, on such a disk -------------------------------------------------


class DiskQueue(Queue):
    """The ledger by hand, on a file, living through failed commits as the engine does.

    Each call is repeated until it is acknowledged, as clients and workers do. After every
    failure the file is compared with what it was, and with the ledger.
    """

    def __init__(self, file: Path, disk: FaultyDisk) -> None:
        self.file = file
        self.faulty = disk
        self.failures: list[CommitFailed] = []
        self.given: dict[str, tuple[str, int]] = {}  # job id -> worker, lease; not reported
        self.slots: dict[str, int] = {}  # of the workers that live
        self.visits = 0
        self.closed = False  # to visitors
        self.visitors: dict[str, str] = {}  # acknowledged submits that came during a commit
        self._asked: dict[str, str] = {}  # the same, acknowledged or not
        super().__init__()

    def _start(self) -> None:
        self._open()
        self._load()

    def _open(self) -> None:
        for _ in tries():
            try:
                self.disk_store = SqliteStore(self.file)
                return
            except StoreRefused as refusal:
                assert self.faulty.failed, refusal

    def _load(self) -> None:
        for _ in tries():
            try:
                snapshot = self.disk_store.load()
                break
            except CommitFailed:
                assert self.faulty.failed
        self.ledger = Ledger(snapshot, self.disk_store, Types(), self.limits, self.now)
        self.outbox: Outbox[str] = Outbox(self.ledger)
        check_agreement(self.file, self.ledger)
        self.ledger.serve(self.now)
        for name, slots in self.slots.items():
            held = [lease for worker, lease in self.given.values() if worker == name]
            self.join(name, slots, leases=held)

    # ---- calls ------------------------------------------------------------------------

    def call(self, command: Callable[[], Any]) -> Any:
        """Run a command until it is acknowledged; return its last answer."""
        for _ in tries():
            try:
                answer = command()
            except LOOK_UP_FAILED:  # of a job that has left memory; half of it may be done
                assert self.faulty.failed
                self.outbox.abandon(commit_issued=False)
                self._load()
                continue
            self.outbox.hold("call")
            if "call" in self.committed():
                return answer

    @property
    def settled(self) -> bool:
        """Whether everything that has happened is in the file, and everybody knows."""
        next_seq = content(self.file)["ledger"][0][0]
        return not self.outbox._open and next_seq == self.ledger.next_seq

    def until(self, happened: Callable[[], bool]) -> None:
        """Commit until something has happened."""
        for _ in tries():
            if happened():
                return
            self.committed()

    def committed(self) -> list[str]:
        """Commit what there is; return the effects that may leave, none after a failure."""
        before = content(self.file)
        batch = self.begin()
        self.faulty.commit_issued = False
        try:
            self._commit(batch)
        except CommitFailed as failure:
            self._reload(failure, batch, before)
            return []
        self._deliver(batch)
        released = self.outbox.committed()
        self.visitors |= {effect: self._asked[effect] for effect in released if effect != "call"}
        return released

    def _commit(self, batch: Changes) -> None:
        if batch.empty:
            self.disk_store.check_epoch()
            return
        self.disk_store.stage(batch)
        self._visit()
        self.disk_store.commit()

    def _visit(self) -> None:
        """A submit that comes while a commit is under way, and waits for the next one."""
        if self.closed:
            return
        self.visits += 1
        key = f"visit {self.visits}"
        with suppress(*LOOK_UP_FAILED):
            self._asked[key] = self.submit("1", job_type="Sleep", key=key)
            self.outbox.hold(key)

    def _reload(self, failure: CommitFailed, batch: Changes, before: "Content") -> None:
        self.failures.append(failure)
        assert failure.definite == (not self.faulty.commit_issued), "definite: COMMIT never issued"
        after = content(self.file)
        if failure.definite:
            assert after == before, "what definitely did not happen is not there"
        else:
            assert after == before or holds(after, batch), "all of a batch, or nothing"
        abandoned = self.outbox.abandon(commit_issued=not failure.definite)
        assert all(call.definite == failure.definite for call in abandoned)
        self._load()

    def _deliver(self, batch: Changes) -> None:
        for event in batch.events:
            if isinstance(event, JobLeased):
                self.given[event.job_id] = event.worker, event.seq

    # ---- workers ----------------------------------------------------------------------

    def work(self, name: str, slots: int) -> None:
        """A worker joins, and comes back after each failure."""
        self.call(lambda: self.join(name, slots))
        self.slots[name] = slots

    def die(self, name: str) -> None:
        """A worker falls silent, and is given up on."""
        del self.slots[name]
        self.given = {job: held for job, held in self.given.items() if held[0] != name}

        def lost() -> bool:
            return self.worker(name).status.value == "lost"

        for _ in tries():
            if lost():
                return
            self.wait(self.limits.worker_timeout + 1, beating=self.slots)
            self.committed()

    def tell(self, job_id: str, **outcome: Any) -> None:
        """The worker that was given the job reports, twice in one call."""
        self.until(lambda: job_id in self.given)
        name, lease = self.given[job_id]
        report = Report(job_id, lease, **outcome)
        assert self.call(lambda: self.report(name, report, report)) == [None, None]
        assert self.call(lambda: self.report(name, report)) == [None]
        del self.given[job_id]


def tries() -> Iterator[int]:
    """More tries than any fault lasts; then it is no longer the fault's."""
    yield from range(50)
    raise AssertionError("it goes on failing when nothing fails any more")


Content = dict[str, list[tuple[Any, ...]]]  # rows by table
Story = dict[str, tuple[Any, ...]]  # payload, status, attempts and result by job


def content(file: Path) -> Content:
    """Everything that commits write: all tables, without the epoch, which loading changes."""
    with one_moment(file) as connection:
        columns = {"jobs": ", ".join(JOB_FIELDS), "history": "*", "workers": "*", "key_runs": "*"}
        rows = {
            table: connection.execute(f"SELECT {names} FROM {table}").fetchall()
            for table, names in columns.items()
        }
        ledger = "SELECT next_seq, latest, totals, job_types FROM ledger"
        return {**rows, "ledger": connection.execute(ledger).fetchall()}


def holds(content: Content, batch: Changes) -> bool:
    """Whether the batch is in the file."""
    seqs = {row[0] for row in content["history"]}
    state = itemgetter(*map(JOB_FIELDS.index, STATE_FIELDS))
    return (
        {event.seq for event in batch.events} <= seqs
        and set(batch.states) <= set(map(state, content["jobs"]))
        and content["ledger"][0][0] == batch.next_seq
    )


def check_agreement(file: Path, ledger: Ledger) -> None:
    """A ledger that was just loaded says what the file says."""
    with one_moment(file) as connection:
        columns = ", ".join(JOB_FIELDS)
        rows = connection.execute(f"SELECT {columns} FROM jobs WHERE status IN (1, 2)").fetchall()
        counts = dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY status"))
        epoch, next_seq = connection.execute("SELECT epoch, next_seq FROM ledger").fetchone()
        runs = connection.execute("SELECT client, first_seq, count FROM key_runs").fetchall()
    assert sorted(rows) == sorted(job.row() for job in ledger._jobs.values())
    assert list(ledger.counts().values()) == [counts.get(status, 0) for status in range(1, 6)]
    assert ledger.totals.submitted == sum(counts.values())
    assert (ledger.epoch, ledger.next_seq) == (epoch, next_seq)
    windows = ledger._keys._windows
    for client, first_seq, length in runs:
        assert all(map(windows[client].job_number, range(first_seq, first_seq + length)))
