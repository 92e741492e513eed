"""What a client lives through: no master, another master, a broken connection, its own end."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nucleus.client import Client
from nucleus.cluster.proxy import Proxy
from nucleus.core.client_session import MAX_PENDING
from nucleus.core.errors import FailedPrecondition, LedgerLost, NotFound, Unavailable
from nucleus.core.events import JobCompleted, JobSubmitted, WorkerHeartbeat
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc import loop
from nucleus.services.master import Master
from nucleus.stores import memory
from tests.nonsense_support import nonsense_master
from tests.support import (
    eventually,
    free_port,
    open_stub,
    running_master,
    running_worker,
)


class Cable:
    """The way from a client to a master, to be cut or to swallow everything."""

    def __init__(self, master: Master) -> None:
        self._loop = loop.acquire()
        self._proxy = Proxy(master.host, master.port)
        self._loop.run(self._proxy.start())
        self.address = f"127.0.0.1:{self._proxy.port}"

    def cut(self) -> None:
        """End every connection; new ones are possible at once."""
        self._loop.run(self._cut())

    async def _cut(self) -> None:
        connections = list(self._proxy._tasks)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def swallow(self) -> None:
        self._loop.call(partial(self._proxy.cut, there=True, back=True))

    def heal(self) -> None:
        self._loop.call(self._proxy.heal)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nothing through; connect anew afterwards."""
        self.swallow()
        self.cut()
        yield
        self.heal()
        self.cut()

    def remove(self) -> None:
        self._loop.run(self._proxy.stop())
        loop.release()


@pytest.fixture
def master() -> Iterator[Master]:
    with running_master() as master:
        yield master


@pytest.fixture
def cable(master: Master) -> Iterator[Cable]:
    cable = Cable(master)
    yield cable
    cable.remove()


def submitted(master: Master) -> list[Any]:
    """The payloads of all jobs, oldest first."""
    with Client(master.address) as client:
        return [job.payload for job in client.jobs()]


# ---- connections ----------------------------------------------------------------------


def test_connections_that_break_under_way_lose_and_double_nothing(
    master: Master, cable: Cable
) -> None:
    count = 1500
    with running_worker(master.address, slots=4), Client(cable.address) as client:
        client.submit("Echo", -1).acknowledged(timeout=60)
        handles = []
        for n in range(count):
            handles.append(client.submit("Echo", n))
            if n % 300 == 150:
                cable.cut()
        wait(handles, timeout=60)
        assert [handle.result(timeout=0) for handle in handles] == list(range(count))
        assert len({handle.id for handle in handles}) == count
    assert submitted(master) == [-1, *range(count)]


def test_a_reply_that_is_lost_makes_no_second_job(master: Master, cable: Cable) -> None:
    """The request arrives and the answer is swallowed: the repeat must find the first job."""
    with Client(cable.address) as client:
        client.submit("Echo", "first").acknowledged(timeout=60)
        with open_stub(master.address) as stub:
            events = stub.WatchEvents(pb.WatchEventsRequest(kinds=["JobSubmitted"]))
            next(events)
            handle = client.submit("Echo", "second")
            assert list(next(events).events[0].payload) == ['"second"']  # it has arrived
            cable.cut()
            handle.acknowledged(timeout=60)
    assert submitted(master) == ["first", "second"]


def test_a_result_that_comes_while_the_connection_is_broken_arrives(
    master: Master, cable: Cable
) -> None:
    with Client(cable.address) as client:
        handle = client.submit("Echo", 1)
        handle.acknowledged(timeout=60)
        with cable.away():
            with running_worker(master.address), Client(master.address) as other:
                eventually(lambda: other.stats().jobs["COMPLETED"] == 1)
            assert not handle.done()
        assert handle.result(timeout=60) == 1


def test_a_handle_ends_although_the_history_no_longer_reaches_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "KEPT_EVENTS", 50)
    with running_master() as master:
        cable = Cable(master)
        with Client(cable.address) as client:
            handle = client.submit("Echo", "last", priority=-1)
            job_id = handle.acknowledged(timeout=60)
            with cable.away(), Client(master.address) as other:
                others = other.submit_many("Echo", range(200))
                other.flush(timeout=60)
                with running_worker(master.address):
                    wait(others, timeout=60)
                    eventually(lambda: other.job(job_id).status == "COMPLETED")
            assert handle.result(timeout=60) == "last"
        cable.remove()


def test_a_handle_whose_job_is_no_longer_kept_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "KEPT_EVENTS", 50)
    with running_master() as master:
        cable = Cable(master)
        with Client(cable.address) as client:
            handle = client.submit("Echo", "first")
            job_id = handle.acknowledged(timeout=60)
            with cable.away(), running_worker(master.address), Client(master.address) as other:
                wait(other.submit_many("Echo", range(200)), timeout=60)
            with pytest.raises(NotFound, match=f"{job_id} has ended") as error:
                handle.result(timeout=60)
            assert not error.value.definite  # it did happen, whatever became of it
        cable.remove()


def test_a_watch_is_taken_up_again_where_it_broke(master: Master, cable: Cable) -> None:
    with Client(cable.address) as client, Client(master.address) as other:
        watch = client.watch(1, kinds=["JobSubmitted"])
        seen = []
        for n in range(5):
            other.submit("Echo", n).acknowledged(timeout=60)
            event = next(watch)
            assert isinstance(event, JobSubmitted)
            seen.append(event.payload)
            cable.cut()
        assert seen == ["0", "1", "2", "3", "4"]


def test_a_watch_of_heartbeats_does_not_begin_again_when_it_breaks(
    master: Master, cable: Cable
) -> None:
    with Client(master.address) as other:
        wait([other.submit("Echo", 1)], timeout=0)
        other.flush(timeout=60)
    with running_worker(master.address, heartbeat_interval=0.05), Client(cable.address) as client:
        eventually(lambda: client.stats().jobs["COMPLETED"] == 1)
        watch = client.watch(heartbeats=True)
        for _ in range(3):
            for _ in range(3):
                assert isinstance(next(watch), WorkerHeartbeat)
            cable.cut()


def test_a_watch_ends_with_its_client(master: Master) -> None:
    client = Client(master.address)
    seen: list[object] = []
    watching = threading.Thread(target=lambda: seen.extend(client.watch(1)))
    watching.start()
    eventually(lambda: client.submit("Echo", 1).acknowledged(timeout=60))
    client.close()
    watching.join(timeout=60)
    assert not watching.is_alive()


# ---- masters that are not there -------------------------------------------------------


def test_what_is_submitted_before_there_is_a_master_is_done_when_it_comes() -> None:
    port = free_port()
    with Client(f"127.0.0.1:{port}") as client:
        handles = client.submit_many("Echo", range(100))
        with pytest.raises(Unavailable, match=r"no acknowledgement within 0\.01 s"):
            handles[0].acknowledged(timeout=0.01)
        with pytest.raises(Unavailable, match="100 submits were not acknowledged"):
            client.flush(timeout=0.01)
        with running_master(port=port) as master, running_worker(master.address):
            assert [handle.result(timeout=60) for handle in handles] == list(range(100))


def test_asking_a_master_that_is_not_there_is_unavailable_after_a_while() -> None:
    address = f"127.0.0.1:{free_port()}"
    with Client(address) as client:
        with pytest.raises(Unavailable, match=f"no answer from the master at {address}") as error:
            client.stats(patience=0.3)
        assert not error.value.definite


def test_submits_wait_while_too_many_are_unacknowledged() -> None:
    port = free_port()
    with Client(f"127.0.0.1:{port}") as client:
        submitting = threading.Thread(target=client.submit_many, args=("Echo", range(5000)))
        submitting.start()
        eventually(lambda: client._tracker._session.full)
        assert client._tracker._session.unacknowledged == MAX_PENDING == 4096
        assert submitting.is_alive()
        with running_master(port=port):
            submitting.join(timeout=60)
            assert not submitting.is_alive()
            client.flush(timeout=60)
            assert client.stats().submitted == 5000


def test_handles_of_a_ledger_that_is_gone_are_lost(tmp_path: Path) -> None:
    """A memory store is a new ledger each time: another one answers at the address."""
    port = free_port()
    with Client(f"127.0.0.1:{port}") as client:
        with running_master(port=port):
            lost = client.submit("Echo", 1)
            lost.acknowledged(timeout=60)
        with running_master(port=port) as second, running_worker(second.address):
            with pytest.raises(LedgerLost, match="the ledger that knew the job is gone"):
                lost.result(timeout=60)
            assert client.submit("Echo", 2).result(timeout=60) == 2
            assert client.stats().submitted == 1


def test_a_restart_on_the_same_file_is_no_loss(tmp_path: Path) -> None:
    port, store = free_port(), str(tmp_path / "ledger.db")
    with Client(f"127.0.0.1:{port}") as client:
        with running_master(store, port=port):
            handle = client.submit("Echo", 1)
            handle.acknowledged(timeout=60)
        with running_master(store, port=port) as second, running_worker(second.address):
            assert handle.result(timeout=60) == 1


# ---- masters that answer nonsense -----------------------------------------------------

MORE_REFUSED_THAN_ASKED = pb.SendJobsReply(
    job_ids=["a"], refused=[pb.Refused(place=7)], ledger_id="a"
)
COLUMNS_OF_DIFFERENT_LENGTHS = pb.EventBatch(
    events=[pb.Events(kind="JobCompleted", seq=[1])], ledger_id="a"
)


@pytest.mark.parametrize(
    "answer",
    [
        {"SendJobs": MORE_REFUSED_THAN_ASKED},
        {"SendJobs": pb.SendJobsReply(ledger_id="a")},
        {"WatchEvents": COLUMNS_OF_DIFFERENT_LENGTHS},
    ],
)
def test_nobody_waits_for_ever_for_a_master_that_answers_nonsense(
    answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with (
        nonsense_master(**answer) as address,
        pytest.warns(UserWarning, match="1 submits"),
        Client(address) as client,
    ):
        handle = client.submit("Echo", 1)
        with pytest.raises(Unavailable, match=r"the client ended .*; the job may go on") as error:
            handle.result(timeout=60)
        assert not error.value.definite
        with pytest.raises(FailedPrecondition, match=r"the client ended .*; nothing was"):
            client.submit("Echo", 2)
        with pytest.raises(Unavailable, match="1 submits were not acknowledged: the client"):
            client.flush()
        with pytest.raises(Unavailable, match="nobody follows a-1"):
            client._tracker.adopt("a-1", handle)
    assert [record.name for record in caplog.records] == ["nucleus.client"], "it is said once"
    assert caplog.records[0].exc_info


# ---- the end of the interpreter -------------------------------------------------------

_SCRIPT = """
import sys
from nucleus import Client
client = Client(sys.argv[1])
handles = client.submit_many("Echo", range(1000))
{more}
"""


def run_script(address: str, more: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _SCRIPT.format(more=more), address]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_an_interpreter_that_ends_flushes(master: Master) -> None:
    done = run_script(master.address)
    assert (done.returncode, done.stderr) == (0, "")
    assert submitted(master) == list(range(1000))


def test_an_interpreter_that_ends_tells_of_refusals_that_nobody_read(master: Master) -> None:
    done = run_script(master.address, 'client.submit("Nope", 1)')
    assert done.returncode == 0
    assert "1 submits were refused; the first: job_type: 'Nope' is not allowed" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interpreter_ends_although_there_is_no_master() -> None:
    done = run_script(f"127.0.0.1:{free_port()}", "client.close(timeout=0.1)")
    assert done.returncode == 0
    assert "1000 submits were not acknowledged when the client was closed" in done.stderr


# ---- many -----------------------------------------------------------------------------


def test_a_plain_loop_of_submits_travels_in_batches(master: Master) -> None:
    with running_worker(master.address), Client(master.address) as client:
        handles = [client.submit("Echo", n) for n in range(3000)]
        assert [handle.result(timeout=60) for handle in handles] == list(range(3000))
        events = [e for e in first_events(client, 3000) if isinstance(e, JobSubmitted)]
    assert [int(event.payload) for event in events] == list(range(3000))
    instants = {event.at for event in events}
    assert len(instants) < 1000, "jobs of one call share the time at which it arrived"


def first_events(client: Client, completed: int) -> Iterator[object]:
    """The history up to the completion of so many jobs."""
    for event in client.watch(1):
        completed -= isinstance(event, JobCompleted)
        yield event
        if completed == 0:
            return


def test_clients_in_many_threads_share_a_master(master: Master) -> None:
    results: list[list[int]] = []

    def work() -> None:
        with Client(master.address) as client:
            results.append(list(client.map("Echo", range(100))))

    with running_worker(master.address, slots=2):
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert results == [list(range(100))] * 8
