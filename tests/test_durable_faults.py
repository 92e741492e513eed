"""Every operation of a disk fails at every step, and the calls and the file agree on it."""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

from nucleus.core.keys import IDLE
from nucleus.rpc import job_queue_pb2 as pb
from tests.core_support import Queue
from tests.durable_judge import judge, one_moment
from tests.durable_support import Load, Told
from tests.faulty_disk import (
    FAULTS,
    DiskQueue,
    Fault,
    FaultyDisk,
    Story,
    check_agreement,
    failing_disk,
)
from tests.support import (
    eventually,
    open_stub,
    refused,
    running_master,
)

disk = failing_disk

ECHO = pb.JobSpec(job_type="Echo", payload="1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


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
    assert tries > 50


@pytest.mark.long
@pytest.mark.parametrize("lasting", [1, 2, 5])
@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[2]], ids=lambda fault: fault.message)
def test_a_disk_may_fail_for_a_while_from_any_statement_on(
    folder: Path, disk: FaultyDisk, uneventful: Story, fault: Fault, lasting: int
) -> None:
    """About 10 s each."""
    assert fail_everywhere(folder, disk, fault, uneventful, lasting=lasting) > 200


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

    return eventually(answer)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.message)
@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "INSERT INTO queued", "INSERT INTO submits", "UPDATE ledger", "COMMIT", "COMMIT "],
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
    with running_master(str(file)) as master, closing(Load(master.address)) as load:
        load.flows()
        disk.decide = lambda sql: dice.choice(FAULTS) if dice.random() < 1 / 300 else None
        eventually(lambda: len(disk.failed) >= 40, timeout=90)
        disk.decide = lambda sql: None
        load.drain()
    assert {"COMMIT", "BEGIN IMMEDIATE"} & set(disk.failed)
    history = judge(file, [load.told])
    assert history.totals["MasterStarted"] > 10
    assert history.jobs.keys() == load.told.jobs.keys()
