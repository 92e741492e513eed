"""A disk that fails: every operation at every step, and the ways in which real disks do.

A :class:`FaultyDisk` makes the n-th statement of a store fail as SQLite would. Behind it the
real ledger, outbox and store live through the failure in the way of the engine: the calls that
waited learn whether they certainly did not happen, the ledger is loaded again, and says exactly
what the file says.
"""

import random
import resource
import signal
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from nucleus.core.errors import CommitFailed, StoreRefused
from nucleus.core.events import JobLeased
from nucleus.core.job import JOB_FIELDS
from nucleus.core.keys import IDLE
from nucleus.core.ledger import Ledger
from nucleus.core.outbox import Outbox
from nucleus.core.snapshot import Changes
from nucleus.core.worker import Report
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.stores import SqliteStore
from tests.core_support import Queue, Types
from tests.durable_support import (
    Load,
    MasterCommand,
    Told,
    judge,
    master_command,
    one_moment,
)
from tests.support import (
    eventually,
    fill,
    open_stub,
    refused,
    running_master,
    small_file_system,
)
from tests.test_master_durable import health, locked

ECHO = pb.JobSpec(job_type="Echo", payload="1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


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
def disk(monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
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
    jobs, seqs = set(content["jobs"]), {row[0] for row in content["history"]}
    places = [JOB_FIELDS.index(name) for name in ("id", "status", "attempts", "lease")]
    told = {tuple(row[place] for place in places) for row in batch.jobs}
    return (
        {event.seq for event in batch.events} <= seqs
        and told <= {tuple(row[place] for place in places) for row in jobs}
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
    assert all(first + place in windows[c].numbers for c, first, n in runs for place in range(n))


# ---- every statement of a scripted run ------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: these faults are made above the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def a_life(queue: DiskQueue) -> dict[str, str]:
    """Something of everything that a store is asked to keep; return the jobs by name."""
    queue.work("w1", slots=2)
    jobs = dict(zip("abc", queue.call(lambda: submit_three(queue)), strict=True))
    jobs["d"] = queue.call(lambda: queue.submit("4", key="d", delay=60))
    queue.tell(jobs["a"], result='"done"')
    queue.tell(jobs["b"], error="boom")
    queue.call(lambda: queue.cancel(jobs["d"]))
    jobs["e"] = queue.call(lambda: queue.retry(jobs["d"], key="e")).job_id
    assert queue.call(lambda: queue.submit("4", key="d")) == jobs["d"]
    assert queue.call(lambda: submit_three(queue)) == [jobs[name] for name in "abc"]
    queue.until(lambda: jobs["c"] in queue.given and jobs["e"] in queue.given)
    queue.die("w1")
    queue.work("w2", slots=5)
    queue.wait(queue.limits.retry_delay + 1, beating=["w2"])
    for name in "cbe":
        queue.tell(jobs[name], result='"late"')
    for long in (queue.limits.gone_kept, IDLE):
        queue.jump(long + 1)  # w1 is no longer listed; then the client's keys are forgotten
        queue.committed()
    jobs["f"] = queue.call(lambda: queue.submit("6", key="f"))
    queue.closed = True
    queue.until(lambda: queue.settled)
    return jobs


def submit_three(queue: Queue) -> list[str]:
    return [queue.submit(str(n), client="c", client_seq=n) for n in (1, 2, 3)]


def story(file: Path, jobs: dict[str, str]) -> Story:
    """What became of the jobs, whatever happened on the way."""
    sql = "SELECT id, payload, status, attempts, result FROM jobs"
    with one_moment(file) as connection:
        rows = {row[0]: row[1:] for row in connection.execute(sql)}
    return {name: rows[job_id] for name, job_id in jobs.items()}


def live(file: Path, disk: FaultyDisk) -> Story:
    """Live through the whole script, whatever the disk does."""
    queue = DiskQueue(file, disk)
    with closing_store(queue):
        jobs = a_life(queue)
        check_agreement(file, queue.ledger)
    told = {job_id: ("Sleep", "1") for job_id in queue.visitors.values()}
    assert len(told) == len(queue.visitors)
    judge(file, [Told(told)])
    return story(file, jobs)


@contextmanager
def closing_store(queue: DiskQueue) -> Iterator[None]:
    try:
        yield
    finally:
        queue.disk_store.close()


@pytest.fixture(scope="module")
def uneventful(folder: Path) -> Story:
    """What becomes of the jobs when nothing fails."""
    return live(folder / "uneventful.db", FaultyDisk())


def fail_everywhere(
    folder: Path,
    disk: FaultyDisk,
    fault: Fault,
    uneventful: Story,
    *,
    first: int = 1,
    step: int = 1,
    lasting: int = 1,
    sql: str = "",
) -> int:
    """Live through the script once for each place at which something can fail; count these."""
    for number in count(first, step):
        file = folder / f"{number}.db"
        disk.failed.clear()
        disk.fail_at(number, fault, lasting=lasting, sql=sql)
        try:
            told = live(file, disk)
        except BaseException as error:
            error.add_note(f"{disk.failed} failed, from number {number} on: {fault.message}")
            raise
        for path in folder.glob(f"{file.name}*"):
            path.unlink()
        if not disk.failed:
            break
        assert told == uneventful, f"{disk.failed} failed, from number {number} on"
    return (number - first) // step


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=lambda n: FAULTS[n].message)
def test_any_statement_may_fail_and_nothing_is_lost(
    folder: Path, disk: FaultyDisk, uneventful: Story, place: int
) -> None:
    """Every statement fails in one of the four: each fault meets every fourth."""
    step = len(FAULTS)
    tries = fail_everywhere(folder, disk, FAULTS[place], uneventful, first=place + 1, step=step)
    assert tries > 60


@pytest.mark.long
@pytest.mark.parametrize("lasting", [1, 2, 5])
@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[2]], ids=lambda fault: fault.message)
def test_a_disk_may_fail_for_a_while_from_any_statement_on(
    folder: Path, disk: FaultyDisk, uneventful: Story, fault: Fault, lasting: int
) -> None:
    """About 10 s each."""
    assert fail_everywhere(folder, disk, fault, uneventful, lasting=lasting) > 250


@pytest.mark.parametrize("lasting", [1, 2])
@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[2]], ids=lambda fault: fault.message)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_commit_that_failed_may_have_happened(
    folder: Path, disk: FaultyDisk, uneventful: Story, after: bool, fault: Fault, lasting: int
) -> None:
    """COMMIT fails before or after it took effect; nobody can know which."""
    disk.after = after
    tries = fail_everywhere(folder, disk, fault, uneventful, lasting=lasting, sql="COMMIT")
    assert tries > 20


# ---- the same through gRPC ------------------------------------------------------------


def answered(call: Callable[[], Any]) -> Any:
    """Repeat a call until it is answered."""

    def answer() -> Any:
        with suppress(grpc.RpcError):
            return call()

    return eventually(answer, timeout=20)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.message)
@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "INSERT INTO jobs", "INSERT INTO history", "UPDATE ledger", "COMMIT", "COMMIT "],
)
def test_a_call_hears_whether_it_certainly_did_not_happen(
    file: Path, disk: FaultyDisk, sql: str, fault: Fault
) -> None:
    disk.after = sql == "COMMIT "
    spec = pb.JobSpec(job_type="Echo", payload="2", idempotency_key="mine")
    with running_master(str(file)) as master, open_stub(master.address) as stub:
        kept = stub.SendJob(ECHO).job_id
        disk.fail_at(1, fault, sql=sql.strip())
        refusal = refused(lambda: stub.SendJob(spec))
        assert disk.failed and fault.message in refusal.message
        assert refusal.code == ("UNAVAILABLE" if sql.startswith("COMMIT") else "ABORTED")
        again = answered(lambda: stub.SendJob(spec))
        assert again.duplicate == disk.after
        state = stub.GetClusterState(pb.GetClusterStateRequest())
        assert (state.submitted, sum(state.jobs.values()), state.epoch) == (2, 2, 2)
    told = {kept: ("Echo", "1"), again.job_id: ("Echo", "2")}
    assert judge(file, [Told(told)]).jobs.keys() == told.keys()


def test_a_report_that_cannot_be_looked_up_leaves_the_ledger_whole(
    file: Path, disk: FaultyDisk
) -> None:
    """A repeat is looked up in the file; when that fails, the reports before it are no half."""
    with running_master(str(file)) as master, open_stub(master.address) as stub:
        hello = pb.GetJobsRequest(worker="w", incarnation="i", session=1, slots=2)
        hello.credit.window, hello.credit.seq = 2, 1
        hello.job_types.append("Echo")
        batches = stub.GetJobs(hello)
        next(batches)
        leased: list[tuple[str, int]] = []
        for _ in range(2):
            stub.SendJob(ECHO)
            leases = next(batches).leases[0]
            leased += zip(leases.job_ids, leases.leases, strict=True)
        old, fresh = leased
        stub.SendResults(results(old))
        disk.fail_at(1, FAULTS[0], sql="SELECT id")
        refused(lambda: stub.SendResults(results(fresh, old)))
        assert disk.failed
        state = answered(lambda: stub.GetClusterState(pb.GetClusterStateRequest()))
        assert sum(state.jobs.values()) == state.submitted == 2, state.jobs
        assert not answered(lambda: stub.SendResults(results(fresh, old))).refused
        state = stub.GetClusterState(pb.GetClusterStateRequest())
        assert (state.submitted, state.jobs["COMPLETED"], state.jobs["RUNNING"]) == (2, 2, 0)
    judge(file, [])


def results(*leased: tuple[str, int]) -> pb.SendResultsRequest:
    ids, leases = zip(*leased, strict=True)
    columns = pb.Results(
        job_ids=ids,
        leases=leases,
        outcomes=[pb.Outcome.RESULT] * len(ids),
        texts=["1"] * len(ids),
        outputs=[""] * len(ids),
        run_seconds=[0.0] * len(ids),
    )
    return pb.SendResultsRequest(worker="w", incarnation="i", results=columns)


@pytest.mark.long
def test_a_busy_master_lives_through_a_disk_that_fails_at_random(
    file: Path, disk: FaultyDisk
) -> None:
    """About 20 s."""
    dice = random.Random(1)
    with running_master(str(file)) as master, Load(master.address) as load:
        load.flows()
        disk.decide = lambda sql: dice.choice(FAULTS) if dice.random() < 1 / 300 else None
        eventually(lambda: len(disk.failed) >= 40, timeout=90)
        disk.decide = lambda sql: None
        load.drain()
    assert {"COMMIT", "BEGIN IMMEDIATE"} & set(disk.failed)
    history = judge(file, [load.told])
    assert history.totals["MasterStarted"] > 10
    assert history.jobs.keys() == load.told.jobs.keys()


# ---- disks that really fail -----------------------------------------------------------


def test_a_master_that_dies_on_a_full_disk_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_file_system(tmp_path) as folder:
        log = tmp_path / "log"
        with master_command(folder / "ledger.db", log=log) as master:
            with Load(master.address, outstanding=50) as load:
                load.flows()
                ballast = fill(folder)
                eventually(lambda: health(master.address) == "NOT_SERVING", timeout=20)
                master.kill()
                load.learn()
                master.begin()
                assert master.exit_code() != 0, "there is no room for the next epoch"
                ballast.unlink()
                master.start()
                load.drain()
            master.kill()
        judge(master.store, [load.told])


def test_a_limit_on_the_size_of_files_is_lived_through(file: Path) -> None:
    with master_command(file) as master:
        with Load(master.address, outstanding=200) as load:
            load.flows()
            limit_file_size(master, 64 * 1024)
            eventually(lambda: health(master.address) == "NOT_SERVING", timeout=20)
            limit_file_size(master, resource.RLIM_INFINITY)
            load.flows()
            load.drain()
        master.kill()
    judge(file, [load.told])


def limit_file_size(master: MasterCommand, size: int) -> None:
    """Let writes beyond ``size`` bytes fail in the process of the master."""
    limits = size, resource.RLIM_INFINITY
    resource.prlimit(master.process.pid, resource.RLIMIT_FSIZE, limits)


def test_a_file_that_somebody_else_locks_is_waited_for(file: Path) -> None:
    with master_command(file) as master:
        with Load(master.address, outstanding=200) as load:
            load.flows()
            with locked(file):
                eventually(lambda: health(master.address) == "NOT_SERVING", timeout=30)
            load.flows()
            load.drain()
        master.kill()
    judge(file, [load.told])


def test_a_file_system_that_became_read_only_is_refused(tmp_path: Path) -> None:
    with small_file_system(tmp_path) as folder:
        log = tmp_path / "log"
        with master_command(folder / "ledger.db", log=log) as master:
            with open_stub(master.address) as stub:
                kept = stub.SendJob(ECHO).job_id
            master.kill()
            remount(folder, "ro")
            master.begin()
            assert master.exit_code() == 2 and "read-only" in log.read_text()
            remount(folder, "rw")
            master.start()
            master.kill()
        judge(master.store, [Told({kept: ("Echo", "1")})])


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


# ---- two masters ----------------------------------------------------------------------


class Callers:
    """Submit one call at a time each, from several threads, until a call breaks."""

    def __init__(self, address: str, threads: int = 8) -> None:
        self.told: dict[str, tuple[str, str]] = {}
        self.broken: list[str] = []  # status codes
        self._channel = grpc.insecure_channel(address)
        self._stub = JobQueueServiceStub(self._channel)
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.told[self._stub.SendJob(ECHO).job_id] = "Echo", "1"
            except grpc.RpcError as error:
                status: Any = error
                self.broken.append(status.code().name)
                return

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=20)
        self._channel.close()


def freeze(master: MasterCommand) -> None:
    """Freeze a busy master, at a moment at which it is not writing to the file.

    One that is frozen while it writes keeps everybody out until it is ended.
    """

    def frozen() -> bool:
        master.process.send_signal(signal.SIGSTOP)
        eventually(lambda: master.look().status() == psutil.STATUS_STOPPED)
        with closing(sqlite3.connect(master.store, timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                return True
            except sqlite3.OperationalError:
                master.process.send_signal(signal.SIGCONT)
                return False

    eventually(frozen)


def test_a_frozen_master_that_was_replaced_exits_and_commits_nothing(file: Path) -> None:
    with master_command(file) as older:
        callers = Callers(older.address)
        eventually(lambda: len(callers.told) > 100)
        freeze(older)
        acknowledged = dict(callers.told)
        with master_command(file, "--take-over") as newer, open_stub(newer.address) as stub:
            there = set(judge(file, [Told(acknowledged)]).jobs)
            mine = {stub.SendJob(ECHO).job_id for _ in range(3)}
            older.process.send_signal(signal.SIGCONT)
            assert older.exit_code() == 1
            callers.join()
            mine |= {stub.SendJob(ECHO).job_id for _ in range(3)}
            jobs = stub.GetClusterState(pb.GetClusterStateRequest()).jobs
            assert sum(jobs.values()) == len(there) + len(mine)
        assert "another master has taken" in older.log.read_text()
    assert len(callers.broken) == 8, "every call under way broke"
    assert set(judge(file, [Told(callers.told)]).jobs) == there | mine
