"""Promise 1 for real: a master on a file that is locked, full, taken over, killed or frozen."""

import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nucleus.client import Client, JobHandle
from nucleus.core.errors import CommitFailed, NucleusError, StoreRefused
from nucleus.core.job import JobSpec
from nucleus.core.ledger import Ledger
from nucleus.core.limits import Limits
from nucleus.core.retention import Retention
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.services.master import Master
from tests.support import (
    MasterProcess,
    eventually,
    fill,
    master_process,
    open_stub,
    refused,
    running_master,
    running_worker,
    small_file_system,
)

ENDS = ("JobCompleted", "JobFailed", "JobCancelled")
ECHO = pb.JobSpec(job_type="Echo", payload="1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def impatient(master: Master) -> None:
    """Let commits fail after 50 ms, not 1 s, when somebody else holds the file."""
    store = master._engine.store
    store._writer.execute("PRAGMA busy_timeout = 50")  # type: ignore[attr-defined] # SqliteStore


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the file's write lock from outside."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def times_open(file: Path) -> int:
    """How many descriptors of this process are of this file."""
    return [open_file.path for open_file in psutil.Process().open_files()].count(str(file))


def health(address: str) -> str:
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = stub.Check(health_pb2.HealthCheckRequest())
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


def judge(file: Path, handles: list[JobHandle]) -> None:
    """Every acknowledged job ended exactly once, by the history; and none is there twice."""
    with closing(sqlite3.connect(file)) as connection:
        marks = ",".join("?" * len(ENDS))
        sql = f"SELECT id, kind FROM history JOIN jobs USING (number) WHERE kind IN ({marks})"
        ends = Counter(job_id for job_id, _ in connection.execute(sql, ENDS))
        jobs = dict(connection.execute("SELECT id, payload FROM jobs"))
        totals = connection.execute("SELECT count(*) FROM jobs WHERE status = 3").fetchone()[0]
    acknowledged = {handle.id: handle.payload for handle in handles}
    assert len(acknowledged) == len(handles), "two submits became one job"
    assert {job_id: int(payload) for job_id, payload in jobs.items()} == acknowledged
    assert ends == Counter(acknowledged.keys())
    assert totals == len(handles)
    assert all(handle.result() == handle.payload for handle in handles)


# ---- commits that fail ----------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False], ids=["sqlite", "memory"])
def test_a_bug_in_a_command_throws_the_half_changed_ledger_away(file: Path, durable: bool) -> None:
    def half_done(ledger: Ledger, now: float) -> None:
        ledger.submit(JobSpec("Echo", "2"), "", now)
        raise ZeroDivisionError("as a bug would")

    with running_master(str(file) if durable else "memory") as master:
        running = master._loop
        assert running is not None
        with open_stub(master.address) as stub:
            stub.SendJob(ECHO)
            with pytest.raises(CommitFailed, match="ZeroDivisionError: as a bug would") as failure:
                running.run(master._engine.run(half_done))
            assert failure.value.definite
            eventually(lambda: health(master.address) == "SERVING")
            state = stub.GetClusterState(pb.GetClusterStateRequest())
            assert (state.submitted, state.epoch) == (1, 2)


def test_a_commit_that_fails_is_definite_and_the_master_comes_back(file: Path) -> None:
    with running_master(str(file)) as master, open_stub(master.address) as stub:
        kept = stub.SendJob(ECHO).job_id
        epoch = stub.GetClusterState(pb.GetClusterStateRequest()).epoch
        impatient(master)
        with locked(file):
            refusal = refused(lambda: stub.SendJob(ECHO))
            assert refusal.code == "ABORTED" and "locked" in refusal.message
            assert eventually(lambda: health(master.address) == "NOT_SERVING")
            assert refused(lambda: stub.SendJob(ECHO)).code == "UNAVAILABLE"
            assert refused(lambda: stub.GetAllJobs(pb.GetAllJobsRequest())).code == "UNAVAILABLE"
            watch = stub.WatchEvents(pb.WatchEventsRequest())
            assert refused(lambda: next(watch)).code == "UNAVAILABLE"
        eventually(lambda: health(master.address) == "SERVING")
        state = stub.GetClusterState(pb.GetClusterStateRequest())
        assert state.epoch > epoch
        assert state.submitted == 1
        assert [job.job_id for job in stub.GetAllJobs(pb.GetAllJobsRequest()).jobs] == [kept]
        assert stub.SendJob(ECHO).job_id > kept


def test_a_watch_that_stays_open_through_a_reload_misses_nothing(file: Path) -> None:
    with running_master(str(file)) as master, open_stub(master.address) as stub:
        watch = stub.WatchEvents(pb.WatchEventsRequest(from_seq=1))
        stub.SendJob(ECHO)
        impatient(master)
        with locked(file):
            refused(lambda: stub.SendJob(ECHO))
        eventually(lambda: health(master.address) == "SERVING")
        stub.SendJob(ECHO)
        seen: list[tuple[int, str]] = []
        while len(seen) < 4:
            seen += [(seq, c.kind) for c in next(watch).events for seq in c.seq]
        kinds = ["MasterStarted", "JobSubmitted", "MasterStarted", "JobSubmitted"]
        assert seen == list(enumerate(kinds, start=1))


def test_a_client_and_a_worker_live_through_a_reload(file: Path) -> None:
    with running_master(str(file)) as master:
        impatient(master)
        with running_worker(master.address), Client(master.address) as client:
            handles = client.submit_many("Echo", range(50))
            client.flush(timeout=60)
            with locked(file):
                handles += client.submit_many("Echo", range(50, 100))
                eventually(lambda: health(master.address) == "NOT_SERVING")
            handles += client.submit_many("Echo", range(100, 150))
            wait(handles, timeout=60)
            judge(file, handles)


def test_a_full_disk_is_lived_through_when_there_is_room_again(tmp_path: Path) -> None:
    with small_file_system(tmp_path) as folder:
        file = folder / "ledger.db"
        with running_master(str(file)) as master, Client(master.address) as client:
            handles = client.submit_many("Echo", range(20))
            client.flush(timeout=60)
            ballast = fill(folder)
            handles += client.submit_many("Echo", range(20, 400))
            eventually(lambda: health(master.address) == "NOT_SERVING")
            ballast.unlink()
            with running_worker(master.address):
                wait(handles, timeout=60)
                judge(file, handles)


# ---- taken over -----------------------------------------------------------------------


def test_a_master_that_was_taken_over_stops_serving_and_says_so(file: Path) -> None:
    reasons: list[str] = []
    with (
        running_master(str(file), on_fenced=reasons.append) as older,
        open_stub(older.address) as stub,
    ):
        job_id = stub.SendJob(ECHO).job_id
        watch = stub.WatchEvents(pb.WatchEventsRequest())
        next(watch)
        with pytest.raises(StoreRefused, match="--take-over"):
            Master(port=0, store=str(file)).start()
        with running_master(str(file), take_over=True) as newer:
            assert eventually(lambda: reasons)  # also when nobody asks it anything
            assert "another master has taken" in reasons[0]
            assert health(older.address) == "NOT_SERVING"
            assert refused(lambda: stub.SendJob(ECHO)).code == "UNAVAILABLE"
            assert refused(lambda: stub.GetAllJobs(pb.GetAllJobsRequest())).code == "UNAVAILABLE"
            with pytest.raises(StopIteration):
                next(watch)
            with open_stub(newer.address) as other:
                jobs = other.GetAllJobs(pb.GetAllJobsRequest()).jobs
                assert [job.job_id for job in jobs] == [job_id]
                assert other.SendJob(ECHO).job_id
    assert len(reasons) == 1


def test_a_master_whose_commit_failed_does_not_take_the_store_back(file: Path) -> None:
    reasons: list[str] = []
    newer = Master(port=0, store=str(file), take_over=True)
    with running_master(str(file), on_fenced=reasons.append) as older:
        impatient(older)
        with locked(file), open_stub(older.address) as stub:
            assert refused(lambda: stub.SendJob(ECHO)).code == "ABORTED"
            connections = times_open(file)
            starting = threading.Thread(target=newer.start)
            starting.start()  # waits for the file, as the older one does, who tries less often
            eventually(lambda: times_open(file) > connections)
        starting.join(timeout=60)
        with open_stub(newer.address) as stub:
            epoch = stub.GetClusterState(pb.GetClusterStateRequest()).epoch
            eventually(lambda: reasons)
            assert stub.SendJob(ECHO).job_id
            assert stub.GetClusterState(pb.GetClusterStateRequest()).epoch == epoch
        newer.stop()


# ---- stopped, killed, frozen ----------------------------------------------------------


@contextmanager
def served(master: MasterProcess) -> Iterator[Client]:
    """A client of a master that has a worker."""
    with running_worker(master.address), Client(master.address) as client:
        yield client


class Submitter:
    """Submits numbers from a thread until it is told to stop."""

    def __init__(self, client: Client) -> None:
        self.handles: list[JobHandle] = []
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            self.handles.append(self._client.submit("Echo", len(self.handles)))

    @property
    def acknowledged(self) -> int:
        return sum("acknowledged" in repr(h) or h.done() for h in list(self.handles))

    def more(self, count: int) -> Callable[[], bool]:
        """Whether ``count`` more have been acknowledged since now."""
        target = self.acknowledged + count
        return lambda: self.acknowledged >= target

    def stop(self) -> list[JobHandle]:
        self._stop.set()
        self._thread.join()
        return self.handles


def test_stopping_under_load_loses_no_acknowledged_job(file: Path) -> None:
    with running_master(str(file)) as master:
        port = master.port
        with running_worker(master.address), Client(master.address) as client:
            submitter = Submitter(client)
            for _ in range(2):
                eventually(submitter.more(50))
                master.stop()
                master.start()
                assert master.port == port
            eventually(submitter.more(50))
            handles = submitter.stop()
            wait(handles, timeout=60)
            judge(file, handles)


def test_a_master_that_is_killed_under_load_loses_and_doubles_nothing(file: Path) -> None:
    with master_process(file) as master, served(master) as client:
        submitter = Submitter(client)
        for _ in range(2):
            eventually(submitter.more(60))
            master.kill()
            master.start()
        eventually(submitter.more(60))
        handles = submitter.stop()
        wait(handles, timeout=60)
        judge(file, handles)
        assert client.stats().epoch == 3


def test_a_job_that_runs_while_the_master_is_killed_runs_once(file: Path) -> None:
    with master_process(file) as master, served(master) as client:
        handle = client.submit("Sleep", 1.0)
        eventually(lambda: client.job(handle.id).status == "RUNNING")
        lease = client.job(handle.id).started_at
        master.kill()
        master.start()
        assert handle.result(timeout=60) == 1.0
        job = client.job(handle.id)
        assert (job.attempts, job.started_at) == (1, lease)
        assert client.stats().requeued == {}


@pytest.mark.long
def test_a_master_that_was_frozen_buries_nobody(file: Path) -> None:
    with (
        master_process(file, worker_timeout=3.0) as master,
        running_worker(master.address, "w1", heartbeat_interval=0.5),
        running_worker(master.address, "w2", heartbeat_interval=0.5),
        Client(master.address) as client,
    ):
        handles = client.submit_many("Sleep", [6.0, 6.0])
        eventually(lambda: client.stats().jobs["RUNNING"] == 2)
        freeze(master, seconds=4.5)
        assert [handle.result(timeout=60) for handle in handles] == [6.0, 6.0]
        assert client.stats().requeued == {}
        assert {worker.state for worker in client.workers()} == {"alive"}
    with closing(sqlite3.connect(file)) as connection:
        kinds = Counter(kind for (kind,) in connection.execute("SELECT kind FROM history"))
    assert kinds["WorkerLost"] == 0 and kinds["JobLeased"] == 2


def freeze(master: MasterProcess, seconds: float) -> None:
    master.process.send_signal(signal.SIGSTOP)
    threading.Event().wait(seconds)  # the length of the freeze is what is tested
    master.process.send_signal(signal.SIGCONT)


def test_the_limits_of_a_master_are_its_own() -> None:
    with running_master(limits=Limits(max_queued=3)) as master, open_stub(master.address) as stub:
        for _ in range(3):
            stub.SendJob(ECHO)
        refusal = refused(lambda: stub.SendJob(ECHO))
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
        assert refusal.message == "queue: 3 jobs wait; at most 3"


# ---- what is kept ---------------------------------------------------------------------


@pytest.mark.parametrize("store", ["memory", "file"])
def test_a_master_that_has_nothing_to_do_lets_go_of_what_is_too_old(file: Path, store: str) -> None:
    where = "memory" if store == "memory" else str(file)
    retention = Retention(age=0.5)
    with running_master(where, retention=retention) as master, Client(master.address) as client:
        ended, waiting = client.submit("Echo", 1), client.submit("Echo", 2)
        client.flush(timeout=60)
        ended.cancel()
        eventually(lambda: [job.id for job in client.jobs()] == [waiting.id])
        assert client.stats().jobs["CANCELLED"] == client.stats().jobs["QUEUED"] == 1
        with pytest.raises(NucleusError, match="the history begins at"):
            next(client.watch(1))


def test_a_key_is_free_again_when_its_job_is_no_longer_kept(file: Path) -> None:
    retention = Retention(jobs=0)
    with (
        running_master(str(file), retention=retention) as master,
        Client(master.address) as client,
    ):
        first = client.submit("Echo", 1, idempotency_key="mine")
        first_id = first.acknowledged(timeout=60)
        assert client.submit("Echo", 1, idempotency_key="mine").acknowledged(60) == first_id
        first.cancel()
        eventually(lambda: list(client.jobs()) == [])
        again = client.submit("Echo", 2, idempotency_key="mine")
        assert again.acknowledged(timeout=60) != first_id
