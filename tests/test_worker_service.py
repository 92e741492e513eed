"""The worker as a service: it runs jobs, obeys, survives its master, and leaves politely."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from pathlib import Path
from typing import Any

import psutil
import pytest

from nucleus.client import Client
from nucleus.core.errors import InvalidArgument, JobFailed
from nucleus.core.events import Event, JobLeased, ResultRejected, WorkerLost
from nucleus.core.limits import Limits
from nucleus.core.worker import Assignment
from nucleus.jobs import JobType, Registry, default_registry
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.services.master import Master
from nucleus.services.worker import Worker, default_name
from nucleus.services.worker.executors import ThreadExecutor
from tests.nonsense_support import nonsense_master
from tests.support import (
    eventually,
    free_port,
    job_children,
    running_master,
    running_worker,
    service_threads,
)

QUICK: dict[str, Any] = {"heartbeat_interval": 0.2}


@pytest.fixture
def master() -> Iterator[Master]:
    with running_master(limits=Limits(worker_timeout=1.0)) as master:
        yield master


@pytest.fixture
def client(master: Master) -> Iterator[Client]:
    with Client(master.address) as client:
        yield client


class Gate:
    """A job type whose jobs wait for the test; tells how many began."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.opened = threading.Event()
        self.registry = Registry()
        for name in ("Echo", "Sleep"):
            self.registry.register(default_registry().get(name))
        self.registry.register(JobType("Gate", self._pass))

    def _pass(self, value: Any) -> Any:
        self.began.append(value)
        assert self.opened.wait(timeout=60)
        return value


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def history(client: Client, *kinds: type[Event]) -> list[Event]:
    """The events of these kinds up to now."""
    last = client.submit("Echo", "the end of the history", delay=3600).id
    events = []
    for event in client.watch(1):
        if getattr(event, "job_id", "") == last:
            break
        if isinstance(event, kinds):
            events.append(event)
    client.cancel(last)
    return events


# ---- running --------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_worker_runs_jobs_and_tells_how_they_ended(
    master: Master, client: Client, executor: str
) -> None:
    with running_worker(master.address, executor=executor, slots=2, **QUICK):
        assert client.submit("Fibonacci", 20).result(timeout=60) == 6765
        assert client.submit("Echo", {"a": [1, None]}).result(timeout=60) == {"a": [1, None]}
        failing = client.submit("Flaky", {"p": 1.0}, max_attempts=1)
        with pytest.raises(JobFailed, match="bad luck"):
            failing.result(timeout=60)
        late = client.submit("Sleep", 1, timeout=0.2, max_attempts=1)
        with pytest.raises(JobFailed, match=r"timed out after 0\.2 s"):
            late.result(timeout=60)
    job = client.job(failing.id)
    assert (job.status, job.worker, job.attempts) == ("FAILED", "w1", 1)
    assert "RuntimeError: bad luck" in job.output


def test_a_failed_attempt_is_tried_again(client: Client, master: Master, gate: Gate) -> None:
    tries = []

    def second_time_lucky(_: Any) -> int:
        tries.append(1)
        if len(tries) < 2:
            raise ValueError("not yet")
        return len(tries)

    gate.registry.register(JobType("Lucky", second_time_lucky))
    with running_worker(master.address, registry=gate.registry, **QUICK):
        eventually(lambda: "Lucky" in client.stats().job_types)
        handle = client.submit("Lucky", None)
        assert handle.result(timeout=60) == 2
    assert client.job(handle.id).attempts == 2
    assert client.stats().requeued == {"failed": 1}


def test_a_job_goes_only_to_a_worker_that_offers_its_type(
    master: Master, client: Client, gate: Gate
) -> None:
    gate.opened.set()
    with running_worker(master.address, "plain", **QUICK):
        with running_worker(master.address, "special", registry=gate.registry, **QUICK):
            eventually(lambda: "Gate" in client.stats().job_types)
            handles = client.submit_many("Gate", range(5))
            assert [handle.result(timeout=60) for handle in handles] == list(range(5))
        assert {client.job(handle.id).worker for handle in handles} == {"special"}
        waits = client.submit("Gate", 6)  # the type is still known, though nobody offers it
        assert client.job(waits.id).status == "QUEUED"


def test_a_result_that_is_too_large_fails_its_job_and_not_the_worker(
    master: Master, client: Client, gate: Gate
) -> None:
    gate.registry.register(JobType("Large", lambda size: "x" * size))
    with running_worker(master.address, registry=gate.registry, **QUICK):
        eventually(lambda: "Large" in client.stats().job_types)
        with pytest.raises(JobFailed, match="at most 1,048,576"):
            client.submit("Large", 2_000_000, max_attempts=1).result(timeout=60)
        assert client.submit("Echo", 1).result(timeout=60) == 1


@pytest.mark.parametrize("bad", [{"executor": "fork"}])
def test_an_executor_that_is_not_known_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="known are process, thread"):
        Worker("127.0.0.1:1", **bad)


def test_the_default_name_tells_where_it_runs() -> None:
    assert default_name().endswith(f"-{psutil.Process().pid}")


# ---- cancelling -----------------------------------------------------------------------


def test_cancelling_really_stops_a_job_of_the_process_executor(
    master: Master, client: Client
) -> None:
    with running_worker(master.address, executor="process", **QUICK):
        assert client.submit("Echo", 1).result(timeout=60) == 1
        (child,) = job_children()
        handle = client.submit("Sleep", 60)
        eventually(lambda: client.workers()[0].running == 1)
        assert handle.cancel()
        with pytest.raises(CancelledError):
            handle.result(timeout=60)
        assert eventually(lambda: not child.is_running() or child.status() == "zombie")
        assert client.submit("Echo", 2).result(timeout=60) == 2
    assert client.job(handle.id).status == "CANCELLED"
    assert client.stats().rejected == {}


def test_cancelling_voids_the_lease_of_a_thread_and_its_slot_stays_taken(
    master: Master, client: Client, gate: Gate
) -> None:
    with running_worker(master.address, registry=gate.registry, **QUICK):
        eventually(lambda: "Gate" in client.stats().job_types)
        handle = client.submit("Gate", 1)
        eventually(lambda: gate.began)
        assert handle.cancel()
        assert handle.cancelled()
        behind = client.submit("Echo", 2)
        beats = client.watch(heartbeats=True, kinds=["WorkerHeartbeat"])
        for _ in range(3):
            next(beats)
        assert client.job(behind.id).status == "QUEUED"
        gate.opened.set()
        assert behind.result(timeout=60) == 2
    assert client.job(handle.id).status == "CANCELLED"


def test_a_slot_that_a_timed_out_thread_leaves_is_used_before_the_next_heartbeat(
    gate: Gate,
) -> None:
    with (
        running_master() as master,
        Client(master.address) as client,
        running_worker(master.address, registry=gate.registry, heartbeat_interval=8.0),
    ):
        eventually(lambda: "Gate" in client.stats().job_types)
        with pytest.raises(JobFailed, match="timed out"):
            client.submit("Gate", 1, timeout=0.1, max_attempts=1).result(timeout=60)
        behind = client.submit("Echo", 2)
        behind.acknowledged(timeout=60)
        gate.opened.set()
        assert behind.result(timeout=60) == 2


class Noting(ThreadExecutor):
    """Notes what it is asked to cancel."""

    def __init__(self) -> None:
        super().__init__(1, default_registry())
        self.asked: list[int] = []

    def cancel(self, lease: int) -> bool:
        self.asked.append(lease)
        return super().cancel(lease)


def test_of_leases_that_become_void_together_those_that_wait_are_stopped_first() -> None:
    worker = Worker("127.0.0.1:1", executor="thread")
    worker._executor = executor = Noting()
    session = worker._session.open(0.0).session
    worker._session.received(session, [Assignment("a", n, "Echo", "1", None, 1) for n in (1, 2, 3)])
    worker._session.to_start(capacity=3)
    worker._stop_jobs([2, 1, 3])
    assert executor.asked == [3, 2, 1], "or the slot of the first would begin the second"


# ---- a master that comes and goes -----------------------------------------------------


def test_a_missing_master_is_waited_for_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    caplog.set_level(logging.INFO, "nucleus.worker")
    with running_worker(f"127.0.0.1:{port}") as worker:
        eventually(lambda: worker._backoff._failures >= 4)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert f"worker w1: no master at 127.0.0.1:{port}" in caplog.text
        with running_master(port=port), Client(f"127.0.0.1:{port}") as client:
            assert client.submit("Echo", 1).result(timeout=60) == 1
            assert "works again" in caplog.text
            caplog.clear()
        assert [r for r in caplog.records if r.levelno > logging.WARNING] == []


def test_a_master_that_restarts_is_presented_the_leases_and_no_job_runs_twice(
    tmp_path: Path, gate: Gate
) -> None:
    with (
        running_master(str(tmp_path / "ledger.db")) as master,
        running_worker(master.address, slots=2, registry=gate.registry, **QUICK),
        Client(master.address) as client,
    ):
        eventually(lambda: "Gate" in client.stats().job_types)
        handles = client.submit_many("Gate", range(2))
        eventually(lambda: len(gate.began) == 2)
        leases = [event.seq for event in history(client, JobLeased)]
        master.crash()
        master.start()
        eventually(lambda: [w.connected for w in client.workers()] == [True])
        gate.opened.set()
        assert [handle.result(timeout=60) for handle in handles] == [0, 1]
        assert sorted(gate.began) == [0, 1]
        assert client.stats().requeued == {}
        assert [event.seq for event in history(client, JobLeased)] == leases


def test_a_result_that_ends_while_the_master_is_away_is_reported_later(
    tmp_path: Path, gate: Gate
) -> None:
    with (
        running_master(str(tmp_path / "ledger.db")) as master,
        running_worker(master.address, registry=gate.registry, **QUICK) as worker,
        Client(master.address) as client,
    ):
        eventually(lambda: "Gate" in client.stats().job_types)
        handle = client.submit("Gate", "x")
        eventually(lambda: gate.began)
        master.stop()
        gate.opened.set()
        eventually(lambda: worker._session.busy == 0)
        master.start()
        assert handle.result(timeout=60) == "x"
        assert len(gate.began) == 1
        assert client.job(handle.id).attempts == 1


def test_a_worker_of_another_ledger_drops_what_that_one_gave_it(gate: Gate) -> None:
    port = free_port()
    with running_worker(f"127.0.0.1:{port}", registry=gate.registry, **QUICK):
        _give_it_a_job_and_vanish(port, gate)
        gate.opened.set()
        with running_master(port=port), Client(f"127.0.0.1:{port}") as client:
            assert client.submit("Echo", 1).result(timeout=60) == 1
            assert client.stats().submitted == client.stats().jobs["COMPLETED"] == 1


def _give_it_a_job_and_vanish(port: int, gate: Gate) -> None:
    """A master whose ledger, in its memory, is gone when it ends."""
    with running_master(port=port) as master, Client(master.address) as client:
        eventually(lambda: "Gate" in client.stats().job_types)
        client.submit("Gate", "x").acknowledged(timeout=60)
        eventually(lambda: gate.began)
        master.crash()
        client.close(timeout=0)


ONE_JOB = pb.Leases(job_type="Echo", job_ids=["a"], leases=[1], payloads=["1"], attempts=[1])


@pytest.mark.parametrize(
    "answer",
    [
        {"GetJobs": pb.JobBatch(leases=[pb.Leases(job_ids=["a"])])},
        {
            "GetJobs": pb.JobBatch(leases=[ONE_JOB]),
            "SendResults": pb.SendResultsReply(refused=[pb.Refused(place=7)]),
        },
    ],
)
def test_a_worker_whose_master_answers_nonsense_ends_and_says_so(
    answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    reasons: list[str] = []
    with nonsense_master(**answer) as address:
        with running_worker(address, on_given_up=reasons.append) as worker:
            [reason] = eventually(lambda: reasons)
        assert reason.startswith(("ValueError", "IndexError"))
        assert worker.stop() == []
    assert eventually(lambda: not service_threads())
    [record] = [record for record in caplog.records if record.name == "nucleus.worker"]
    assert record.getMessage() == f"worker w1 stops: {reason}"
    assert record.exc_info


# ---- leaving --------------------------------------------------------------------------


def test_draining_finishes_what_runs_and_hands_the_rest_back(
    master: Master, client: Client, gate: Gate
) -> None:
    with running_worker(master.address, registry=gate.registry, **QUICK) as worker:
        eventually(lambda: "Gate" in client.stats().job_types)
        # Quick jobs earn credit, so that more than one is held when the gate comes.
        wait(client.submit_many("Echo", range(200)), timeout=60)
        running = client.submit("Gate", "runs")
        waiting = client.submit_many("Gate", range(5))
        eventually(lambda: gate.began)
        stopping = threading.Thread(target=worker.stop, kwargs={"drain": 20.0})
        stopping.start()
        eventually(lambda: worker._session.draining)
        gate.opened.set()
        stopping.join(timeout=60)
        assert running.result(timeout=60) == "runs"
        eventually(lambda: client.workers()[0].state == "left")
    assert gate.began == ["runs"]
    assert client.stats().jobs["QUEUED"] == 5
    assert set(client.stats().requeued) <= {"released"}
    assert [client.job(handle.id).attempts for handle in waiting] == [0] * 5


def test_draining_hands_back_what_waits_in_the_process_executor(
    master: Master, client: Client
) -> None:
    with running_worker(master.address, executor="process", **QUICK) as worker:
        wait(client.submit_many("Echo", range(200)), timeout=60)
        running = client.submit("Sleep", 0.5)
        waiting = client.submit_many("Echo", range(50))
        eventually(lambda: worker._executor.running)
        worker.stop(drain=20.0)
        jobs = [client.job(handle.id) for handle in (running, *waiting)]
    ends = {(job.status, job.attempts) for job in jobs}
    assert ("QUEUED", 0) in ends
    assert ends <= {("QUEUED", 0), ("COMPLETED", 1)}
    assert set(client.stats().requeued) <= {"released"}


def test_stopping_at_once_hands_everything_back_uncharged(
    master: Master, client: Client, gate: Gate
) -> None:
    with running_worker(master.address, slots=2, registry=gate.registry, **QUICK) as worker:
        eventually(lambda: "Gate" in client.stats().job_types)
        handles = client.submit_many("Gate", range(2))
        eventually(lambda: len(gate.began) == 2)
        left = worker.stop()
        assert sorted(name.partition(": ")[2] for name in left) == ["Gate", "Gate"]
        assert worker.stop() == []
        assert client.workers()[0].state == "left"
        jobs = [client.job(handle.id) for handle in handles]
        assert [(job.status, job.attempts) for job in jobs] == [("QUEUED", 0)] * 2
    assert client.stats().requeued == {"left": 2}


def test_stop_leaves_no_thread_and_no_child() -> None:
    with running_master() as master:
        for executor in ("thread", "process"):
            worker = running_worker(master.address, executor=executor, slots=3, **QUICK)
            with worker, Client(master.address) as client:
                wait(client.submit_many("Echo", range(20)), timeout=60)
    assert eventually(lambda: service_threads() == [])
    assert job_children() == []


def test_stopping_without_a_master_is_quick_and_clean() -> None:
    worker = Worker(f"127.0.0.1:{free_port()}", name="w", executor="thread", **QUICK)
    worker.stop()  # never started
    worker.start()
    assert worker.ready_line().startswith("worker w: 1 slots (thread), master 127.0.0.1:")
    assert worker.stop() == []


# ---- crashing, freezing, being replaced -----------------------------------------------


def test_a_worker_that_crashes_is_lost_and_its_job_is_done_elsewhere(
    master: Master, client: Client, gate: Gate
) -> None:
    with running_worker(master.address, "dies", registry=gate.registry, **QUICK) as dying:
        eventually(lambda: "Gate" in client.stats().job_types)
        handle = client.submit("Gate", 1)
        eventually(lambda: gate.began)
        dying.crash()
        gate.opened.set()
        with running_worker(master.address, "lives", registry=gate.registry, **QUICK):
            assert handle.result(timeout=60) == 1
    assert client.stats().requeued == {"worker_lost": 1}
    job = client.job(handle.id)
    assert (job.worker, job.attempts) == ("lives", 2)
    states = {worker.name: worker.state for worker in client.workers()}
    assert states == {"dies": "lost", "lives": "left"}


def test_a_paused_worker_is_lost_and_its_late_result_is_refused(
    master: Master, client: Client, gate: Gate
) -> None:
    given: dict[str, Any] = {"registry": gate.registry, **QUICK}
    with running_worker(master.address, "sleepy", **given) as sleepy:
        eventually(lambda: "Gate" in client.stats().job_types)
        handle = client.submit("Gate", 1)
        eventually(lambda: gate.began)
        sleepy.pause()
        eventually(lambda: client.stats().requeued == {"worker_lost": 1})
        gate.opened.set()
        with running_worker(master.address, "awake", **given):
            assert handle.result(timeout=60) == 1
            before = client.job(handle.id)
            assert before.worker == "awake"
            sleepy.resume()
            eventually(lambda: client.stats().rejected == {"stale_lease": 1})
            assert client.job(handle.id) == before
            eventually(lambda: {w.state for w in client.workers()} == {"alive"})
        # and it works again
        assert client.submit("Echo", 1).result(timeout=60) == 1
    (rejected,) = history(client, ResultRejected)
    assert isinstance(rejected, ResultRejected)
    told = (rejected.job_id, rejected.worker, rejected.reason)
    assert told == (handle.id, "sleepy", "stale_lease")
    assert len(history(client, WorkerLost)) == 1


def test_a_pause_shorter_than_the_timeout_costs_nothing(gate: Gate) -> None:
    with running_master() as master, Client(master.address) as client:
        with running_worker(master.address, registry=gate.registry, **QUICK) as worker:
            eventually(lambda: "Gate" in client.stats().job_types)
            handle = client.submit("Gate", 1)
            eventually(lambda: gate.began)
            worker.pause()
            gate.opened.set()
            eventually(lambda: client.workers()[0].heartbeat_age > 0.6)
            assert client.job(handle.id).status == "RUNNING", "it says nothing meanwhile"
            worker.resume()
            assert handle.result(timeout=60) == 1
        assert (client.stats().requeued, client.stats().rejected) == ({}, {})


def test_a_paused_worker_begins_nothing(client: Client, master: Master, gate: Gate) -> None:
    with running_worker(master.address, registry=gate.registry, **QUICK) as worker:
        eventually(lambda: "Gate" in client.stats().job_types)
        wait(client.submit_many("Echo", range(200)), timeout=60)
        handles = client.submit_many("Gate", range(5))
        eventually(lambda: gate.began)
        worker.pause()
        eventually(lambda: worker._session.busy == 1)
        gate.opened.set()
        eventually(lambda: worker._executor.running == ())
        assert gate.began == [0]
        worker.resume()
        assert [handle.result(timeout=60) for handle in handles] == list(range(5))


def test_a_second_worker_of_the_same_name_replaces_the_first(
    master: Master, client: Client, gate: Gate
) -> None:
    reasons: list[str] = []
    given: dict[str, Any] = {"registry": gate.registry, **QUICK}
    with running_worker(master.address, "twin", on_given_up=reasons.append, **given):
        eventually(lambda: "Gate" in client.stats().job_types)
        handle = client.submit("Gate", 1)
        eventually(lambda: gate.began)
        with running_worker(master.address, "twin", **given):
            eventually(lambda: reasons)
            assert "a newer incarnation of 'twin' took its place" in reasons[0]
            gate.opened.set()
            assert handle.result(timeout=60) == 1
            beats = client.watch(heartbeats=True)
            seen = Counter(getattr(next(beats), "incarnation", "") for _ in range(5))
            assert len(seen) == 1, "the first one is silent"
            (view,) = client.workers()
            assert (view.name, view.state) == ("twin", "alive")
    assert len(reasons) == 1
    assert client.stats().requeued == {"replaced": 1}


# ---- credit ---------------------------------------------------------------------------


def test_slow_jobs_are_not_hoarded(master: Master, client: Client) -> None:
    with (
        running_worker(master.address, "w1", **QUICK),
        running_worker(master.address, "w2", **QUICK),
    ):
        eventually(lambda: len(client.workers()) == 2)
        handles = client.submit_many("Sleep", [0.2] * 10)
        wait(handles, timeout=60)
    shares = Counter(client.job(handle.id).worker for handle in handles)
    assert shares == {"w1": 5, "w2": 5}


def test_fast_jobs_are_prefetched(master: Master, client: Client) -> None:
    windows = set()
    with running_worker(master.address, **QUICK):
        handles = client.submit_many("Echo", range(3000))
        while not all(handle.done() for handle in handles):
            windows |= {worker.window for worker in client.workers()}
    assert max(windows) > 1, "a worker that finishes jobs quickly asks for more than its slots"
    assert all(handle.result() == n for n, handle in enumerate(handles))


def test_a_worker_never_holds_more_than_its_slots_of_slow_jobs(
    master: Master, client: Client, gate: Gate
) -> None:
    with running_worker(master.address, slots=3, registry=gate.registry, **QUICK):
        eventually(lambda: "Gate" in client.stats().job_types)
        client.submit_many("Gate", range(10))
        eventually(lambda: len(gate.began) == 3)
        (view,) = client.workers()
        assert (view.held, client.stats().jobs["QUEUED"]) == (3, 7)


# ---- metrics --------------------------------------------------------------------------


def test_a_worker_counts_its_heartbeats_slots_and_jobs(
    master: Master, client: Client, gate: Gate
) -> None:
    with running_worker(master.address, slots=2, registry=gate.registry, **QUICK) as worker:
        registry = worker._metrics.registry

        def value(name: str) -> float | None:
            return registry.get_sample_value(name, {"worker": "w1"})

        eventually(lambda: "Gate" in client.stats().job_types)
        client.submit("Gate", 1)
        eventually(lambda: value("nucleus_worker_running_jobs") == 1)
        assert value("nucleus_worker_slots") == 2
        eventually(lambda: (value("nucleus_worker_heartbeats_total") or 0) >= 3)
        gate.opened.set()
        eventually(lambda: value("nucleus_worker_running_jobs") == 0)
