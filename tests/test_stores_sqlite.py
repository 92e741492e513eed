"""What only a file can do: be somebody else's, be locked, be full, be read by others."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from nucleus.core.errors import CommitFailed, Fenced, StoreRefused
from nucleus.core.events import (
    KINDS,
    Event,
    JobCompleted,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    WorkerHeartbeat,
)
from nucleus.core.job import JOB_FIELDS, Job
from nucleus.core.lifecycle import Status
from nucleus.core.limits import Limits
from nucleus.core.snapshot import KeyRun, Totals, WorkerRow
from nucleus.stores import SqliteStore
from nucleus.stores.codec import COLUMNS, HISTORY
from nucleus.stores.rows import ROWS
from nucleus.stores.schema import MIGRATIONS, SCHEMA_VERSION
from tests.core_support import keep
from tests.support import fill, small_file_system, wait_for_output
from tests.test_stores_contract import NOW, a_job, an_event, changes, put


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(file)) as store:
        store.load()
        yield store


def job_of(store: SqliteStore, number: int, **given: Any) -> Job:
    """A job of the ledger in ``store``."""
    ledger_id = store._finder.execute("SELECT ledger_id FROM ledger").fetchone()[0]
    return a_job(ledger_id, number, **given)


def state_of(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, time of change and mode of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
    }


# ---- files that are refused -----------------------------------------------------------


def _a_text(path: Path) -> None:
    path.write_text("These are not the rows you are looking for.\n" * 100)


def _a_short_text(path: Path) -> None:
    path.write_text("x")


def _of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE ledger (epoch)")


def _in_wal_mode_of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE ledger (epoch)")


def _ours(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.load()
        put(store, job_of(store, 5))


def _newer(path: Path) -> None:
    _ours(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def _read_only(path: Path) -> None:
    _ours(path)
    path.chmod(0o444)


def _empty_and_read_only(path: Path) -> None:
    path.touch(0o444)


def _a_folder(path: Path) -> None:
    path.mkdir()


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_a_text, "is not a database"),
        (_a_short_text, "is not a database"),
        (_of_another_program, "is a database of another program"),
        (_in_wal_mode_of_another_program, "is a database of another program"),
        (_newer, f"has schema {SCHEMA_VERSION + 1}"),
        (_read_only, "is read-only"),
        (_empty_and_read_only, "is read-only"),
        (_a_folder, "is not a file"),
        (_a_pipe, "is not a file"),
    ],
)
def test_a_file_that_is_refused_is_left_as_it_was(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    path = tmp_path / "it"
    make(path)
    before = state_of(tmp_path)
    with pytest.raises(StoreRefused, match=why) as refusal:
        SqliteStore(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert state_of(tmp_path) == before


def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    _ours(folder / "it")
    folder.chmod(0o555)
    before = state_of(folder)
    with pytest.raises(StoreRefused, match="read-only") as refusal:
        SqliteStore(folder / "it")
    assert str(folder / "it") in str(refusal.value)
    assert state_of(folder) == before
    folder.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_is_somebody_elses_is_refused() -> None:
    """Root may write anywhere, so the store is opened by a child that is nobody."""
    code = (
        "import os, sys\n"
        "from nucleus.core.errors import StoreRefused\n"
        "from nucleus.stores import SqliteStore\n"
        "os.setuid(65534)\n"
        "try:\n"
        "    SqliteStore(sys.argv[1])\n"
        "except StoreRefused as refusal:\n"
        "    print(refusal)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # nobody may look
        path = Path(folder, "it")
        command = [sys.executable, "-c", code, str(path)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert child.returncode == 0, child.stderr
        assert str(path) in child.stdout and "read-only" in child.stdout
        assert list(Path(folder).iterdir()) == []


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "ledger.db"
    with pytest.raises(StoreRefused, match=r"no/such does not exist; make it first"):
        SqliteStore(path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_tables_are_broken_is_a_clear_error(file: Path) -> None:
    _ours(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE ledger")
    with closing(SqliteStore(file)) as store, pytest.raises(CommitFailed, match="no such table"):
        store.load()


def test_an_empty_file_becomes_a_store(file: Path) -> None:
    file.touch()
    with closing(SqliteStore(file)) as store:
        assert store.load().epoch == 1


# ---- files of an older version --------------------------------------------------------

_SCHEMA_1 = """
CREATE TABLE ledger (
    ledger_id TEXT NOT NULL, epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL,
    latest REAL NOT NULL, totals TEXT NOT NULL, job_types TEXT NOT NULL
);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, id, job_type, payload, priority, max_attempts, timeout, key,
    client, client_seq, retry_of, submitted_at, not_before, status, attempts, front, suspect,
    lease, reported, worker, incarnation, started_at, finished_at, result, error, output
);
CREATE INDEX jobs_by_status ON jobs (status, number);
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
    seq INTEGER PRIMARY KEY, at, kind, job_id, job_type, payload, priority, not_before,
    max_attempts, timeout, key, client, client_seq, retry_of, worker, incarnation, lease, result,
    output, run_seconds, attempts, error, reason, front, suspect, session, slots, job_types, epoch,
    running
);
INSERT INTO ledger VALUES ('abc123', 7, 100, 1000000.5, '{"submitted": 9}', '["Echo"]');
INSERT INTO workers VALUES ('w', 'i', 2, '["Echo"]', 1000000.25, 'alive', '["h"]', 3);
INSERT INTO key_runs VALUES ('client', 1, 10, 3);
PRAGMA application_id = 0x4E55434C;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


def _of_version_1(path: Path) -> tuple[list[Job], list[Event]]:
    """Make a file as Nucleus made it before, with every kind of event; return what is in it."""
    done = a_job("abc123", 5, status=Status.COMPLETED, finished_at=NOW + 1 / 3)
    waiting = a_job("abc123", 51, status=Status.QUEUED, timeout=None, key="")
    jobs = [done, a_job("abc123", 50, key="", not_before=NOW + 1 / 7), waiting]
    durable = [kind for kind in KINDS.values() if kind is not WorkerHeartbeat]
    events = [an_event(kind, seq, done) for seq, kind in enumerate(durable, start=5)]
    requeued: Any = an_event(JobRequeued, 49, done)
    delayed = NOW + 0.123456789  # more digits than SQLite writes by default
    events.append(replace(requeued, not_before=delayed, suspect=False))
    for job, not_before in ((jobs[1], delayed), (waiting, waiting.submitted_at)):
        submitted: Any = an_event(JobSubmitted, job.number, job)
        events.append(replace(submitted, not_before=not_before))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA_1)
        for job in jobs:
            _insert(connection, "jobs", dict(zip(JOB_FIELDS, job.row(), strict=True)))
        for event in events:
            names = [field.name for field in fields(event)]
            values = {name: getattr(event, name) for name in names}
            _insert(connection, "history", {"kind": type(event).__name__, **values})
        connection.commit()
    return jobs, events


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    values = [json.dumps(v) if isinstance(v, tuple) else v for v in row.values()]
    places = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", values)


def _tables(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name, type FROM sqlite_master").fetchall()
        about = ("table_xinfo", "index_list", "index_xinfo")
        return {
            name: [connection.execute(f"PRAGMA {a}({name})").fetchall() for a in about]
            for name, _ in names
        }


def test_a_file_of_version_1_is_brought_up_to_date(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, events = _of_version_1(file)
    caplog.set_level("INFO", "nucleus.store")
    with closing(SqliteStore(file)) as store:
        said = [record.getMessage() for record in caplog.records]
        assert said == [f"store {file}: from schema {n} to {n + 1}" for n in (1, 2)]
        snapshot = store.load()
        assert (snapshot.ledger_id, snapshot.epoch, snapshot.next_seq) == ("abc123", 8, 100)
        assert (snapshot.latest, snapshot.job_types) == (1000000.5, ("Echo",))
        assert snapshot.totals == Totals(9)
        assert snapshot.workers == [
            WorkerRow("w", "i", 2, ("Echo",), NOW + 0.25, "alive", ("h",), 3)
        ]
        assert list(snapshot.keys) == [KeyRun("client", 1, 10, 3)]
        assert snapshot.jobs == jobs[1:]
        assert store.page(0, 10, frozenset()) == (jobs, False)
        assert store.find_key(jobs[0].key) == jobs[0]
        assert list(map(repr, store.history(1, 100))) == list(map(repr, events))  # types, too
        assert store.first_seq() == 1
        put(store, a_job("abc123", 200))
    fresh = tmp_path / "fresh.db"
    SqliteStore(fresh).close()
    assert _tables(file) == _tables(fresh)
    SqliteStore(file).close()  # nothing is left to be done


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        (version, place)
        for version, sql in MIGRATIONS.items()
        for place in range(sql.count(";") + 1)
    ],
)
def test_a_migration_that_fails_at_any_statement_leaves_the_file_usable(
    file: Path, monkeypatch: pytest.MonkeyPatch, version: int, statement: int
) -> None:
    jobs, events = _of_version_1(file)
    before = _dump(file)
    statements = MIGRATIONS[version].split(";")
    statements.insert(statement, "INSERT INTO no_such_table VALUES (1)")
    with monkeypatch.context() as patch:
        patch.setitem(MIGRATIONS, version, ";".join(statements))
        with pytest.raises(StoreRefused, match="no_such_table"):
            SqliteStore(file)
    assert _dump(file) == before
    with closing(SqliteStore(file)) as store:
        store.load()
        assert store.page(0, 10, frozenset())[0] == jobs
        assert store.history(1, 100) == events


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return [str(version), *connection.iterdump()]


def test_a_newer_version_that_is_still_in_the_wal_is_refused(file: Path) -> None:
    _ours(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        with pytest.raises(StoreRefused, match=f"has schema {SCHEMA_VERSION + 1}"):
            SqliteStore(file)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        SqliteStore(file).close()  # the refusal kept no lock


def test_the_columns_of_the_jobs_are_the_fields_of_a_job(store: SqliteStore) -> None:
    columns = store._writer.execute("PRAGMA table_info(jobs)").fetchall()
    assert tuple(column[1] for column in columns) == JOB_FIELDS


def test_the_columns_of_the_history_are_those_that_are_written(store: SqliteStore) -> None:
    for table, names in (("events", COLUMNS), ("history", HISTORY)):
        columns = store._writer.execute(f"PRAGMA table_info({table})").fetchall()
        assert tuple(column[1] for column in columns) == names


# ---- the lock -------------------------------------------------------------------------

_HOLD = (
    "import sys\n"
    "from nucleus.core.errors import NucleusError\n"
    "from nucleus.stores import SqliteStore\n"
    "store = SqliteStore(sys.argv[1], take_over='--take-over' in sys.argv)\n"
    "store.load()\n"
    "print('holds it', flush=True)\n"
    "for line in sys.stdin:\n"
    "    try:\n"
    "        store.check_epoch()\n"
    "        print('still mine', flush=True)\n"
    "    except NucleusError as error:\n"
    "        print(type(error).__name__, flush=True)\n"
)


class Holder:
    """Another process that holds a store."""

    def __init__(self, file: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(file), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for_output(self.process, "holds it")

    def ask(self) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def hold(file: Path) -> Iterator[Callable[..., Holder]]:
    holders: list[Holder] = []

    def start(*options: str) -> Holder:
        holders.append(Holder(file, *options))
        return holders[-1]

    yield start
    for holder in holders:
        holder.end()


def test_a_store_in_use_names_the_process_that_uses_it(
    file: Path, hold: Callable[..., Holder]
) -> None:
    holder = hold()
    with pytest.raises(StoreRefused, match=f"process id {holder.process.pid};") as refusal:
        SqliteStore(file)
    assert "--take-over" in str(refusal.value)
    assert holder.ask() == "still mine"


def test_a_holder_that_was_killed_leaves_the_store_free(
    file: Path, hold: Callable[..., Holder]
) -> None:
    hold().end()
    with closing(SqliteStore(file)) as store:
        assert store.load().epoch == 2


def test_taking_over_fences_the_one_that_held_it(file: Path, hold: Callable[..., Holder]) -> None:
    holder = hold()
    with closing(SqliteStore(file, take_over=True)) as store:
        store.load()
        store.check_epoch()
        assert holder.ask() == "Fenced"


def test_a_take_over_in_the_midst_of_a_commit_is_refused_and_leaves_the_lock(
    file: Path, hold: Callable[..., Holder]
) -> None:
    """The holder stands still within a transaction, so nobody else can write."""
    holder = hold()
    with closing(sqlite3.connect(file, isolation_level=None)) as within:
        within.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreRefused, match="stands still within a commit, end that first"):
            SqliteStore(file, take_over=True)
    with pytest.raises(StoreRefused, match=f"process id {holder.process.pid};"):
        SqliteStore(file)
    assert holder.ask() == "still mine"


def test_the_one_that_took_over_holds_the_lock(file: Path, hold: Callable[..., Holder]) -> None:
    first, second = hold(), hold("--take-over")
    first.end()
    with pytest.raises(StoreRefused, match=f"process id {second.process.pid};"):
        SqliteStore(file)
    second.end()
    SqliteStore(file).close()


# ---- the file -------------------------------------------------------------------------


def test_commits_are_synchronous_in_wal_mode(store: SqliteStore, file: Path) -> None:
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_plain_sql_reads_the_views_while_a_master_writes(store: SqliteStore, file: Path) -> None:
    done = job_of(
        store, 5, status=Status.COMPLETED, payload="[3]", result="9", finished_at=7.5, reported=8
    )
    kinds = (JobSubmitted, JobLeased, JobRequeued, JobLeased, JobCompleted)
    events: Any = tuple(an_event(kind, seq, done) for seq, kind in enumerate(kinds, start=5))
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
        reader.row_factory = sqlite3.Row
        assert reader.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0
        given: dict[str, Any] = {"next_seq": 10, "job_types": ("E",)}
        keep(store, changes(states=(done.state(),), events=events, **given))
        job = dict(reader.execute("SELECT * FROM jobs").fetchone())
        told = reader.execute("SELECT kind, count(*) FROM history GROUP BY kind").fetchall()
        of_job = "SELECT * FROM history WHERE job_id = ? ORDER BY seq"
        first, lease, requeued, _, last = reader.execute(of_job, (done.id,)).fetchall()
        ledger = dict(reader.execute("SELECT * FROM ledger").fetchone())
        latest = "SELECT id, payload, result FROM jobs WHERE status = 3 ORDER BY number DESC"
        assert [tuple(row) for row in reader.execute(latest)] == [(done.id, "[3]", "9")]
    for column in ("job_type", "attempts", "lease", "worker", "error", "output"):
        assert job[column] == getattr(done, column)
    for column in ("submitted_at", "started_at", "finished_at"):
        assert job[column] == getattr(done, column)
    assert (job["number"], job["status"]) == (5, 3)
    assert dict(map(tuple, told)) == Counter(kind.__name__ for kind in kinds)
    assert (first["seq"], first["at"], first["payload"]) == (5, done.submitted_at, "[3]")
    assert (first["worker"], first["lease"], first["result"]) == (None, None, None)
    assert (lease["seq"], lease["worker"], lease["payload"]) == (6, events[1].worker, None)
    assert json.loads(requeued["detail"])["not_before"] == events[2].not_before
    assert (last["at"], last["lease"], last["result"]) == (7.5, 8, "9")
    assert {row["number"] for row in (first, lease, requeued, last)} == {5}
    assert ledger["epoch"] == 1 and ledger["next_seq"] == 10 and len(ledger["ledger_id"]) == 6
    assert json.loads(ledger["totals"])["submitted"] == 0


def test_a_commit_is_all_or_nothing(store: SqliteStore) -> None:
    first = job_of(store, 5)
    put(store, first)
    second, again = job_of(store, 6), an_event(JobSubmitted, 5, first)  # a seq that is taken
    with pytest.raises(CommitFailed) as failure:
        keep(store, changes(states=(second.state(),), events=(again,), next_seq=7))
    assert failure.value.definite
    assert store.find(second.id) is None
    assert store.load().next_seq == 6
    put(store, second)


# ---- commits that fail ----------------------------------------------------------------


@pytest.mark.parametrize("there", [1, ROWS - 1, 2 * ROWS])
def test_a_change_of_a_job_that_is_not_in_the_file_fails(store: SqliteStore, there: int) -> None:
    known = [job_of(store, number) for number in range(7, 7 + there)]
    put(store, *known)
    changed = tuple(job.state() for job in (*known, job_of(store, 6)))
    with pytest.raises(CommitFailed, match="not in the file") as failure:
        keep(store, changes(states=changed, next_seq=known[-1].number + 1))
    assert failure.value.definite


def test_rows_that_fill_several_statements_are_all_written(store: SqliteStore) -> None:
    jobs = [job_of(store, number, payload=str(number)) for number in range(1, 2 * ROWS + 6)]
    put(store, *jobs)
    for job in jobs:
        job.status, job.lease, job.worker = Status.RUNNING, 1_000 + job.number, f"w{job.number}"
    put(store, *jobs)
    assert [store.find(job.id) for job in jobs] == jobs


def test_a_commit_waits_for_a_lock_for_less_time_than_makes_a_master_frozen(
    store: SqliteStore,
) -> None:
    timeout = store._writer.execute("PRAGMA busy_timeout").fetchone()[0]
    assert 0 < timeout <= 1000 * Limits().frozen_after / 2  # it is waited for on the event loop


def test_a_commit_behind_a_foreign_lock_definitely_did_not_happen(
    store: SqliteStore, file: Path
) -> None:
    store._writer.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        job = job_of(store, 5)
        with pytest.raises(CommitFailed, match="locked") as failure:
            put(store, job)
        assert failure.value.definite
        with pytest.raises(CommitFailed, match="locked"):
            store.load()
        other.execute("ROLLBACK")
    store.load()
    put(store, job)
    assert store.find(job.id) == job


def test_a_full_database_fails_the_commit_and_works_again_with_room(store: SqliteStore) -> None:
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    job = job_of(store, 5, output="x" * 100_000)
    with pytest.raises(CommitFailed, match="full"):
        put(store, job)
    assert store.find(job.id) is None
    store._writer.execute("PRAGMA max_page_count = 100000")
    store.load()
    put(store, job)
    assert store.find(job.id) == job


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path) as folder:
        yield folder


def test_a_full_disk_fails_commits_until_there_is_room_again(small_disk: Path) -> None:
    with closing(SqliteStore(small_disk / "ledger.db")) as store:
        ledger_id = store.load().ledger_id
        kept = a_job(ledger_id, 5)
        put(store, kept)
        ballast = fill(small_disk)
        big = a_job(ledger_id, 6, output="x" * 50_000)
        with pytest.raises(CommitFailed):
            put(store, big)
        assert store.find(big.id) is None
        assert store.find(kept.id) == kept
        ballast.unlink()
        assert store.load().ledger_id == ledger_id
        put(store, big)
        assert store.find(big.id) == big


def test_a_new_store_on_a_full_disk_is_refused(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StoreRefused, match=r"ledger\.db"):
        SqliteStore(small_disk / "ledger.db")


def test_a_commit_of_an_older_master_is_fenced_after_it_waited_for_the_newer_one(
    store: SqliteStore, file: Path
) -> None:
    store._writer.execute("PRAGMA busy_timeout = 50")
    with closing(SqliteStore(file, take_over=True)) as newer:
        newer.load()
        with pytest.raises(Fenced):
            put(store, job_of(store, 5))
        with pytest.raises(Fenced):
            store.load()
        put(newer, job_of(newer, 5))
