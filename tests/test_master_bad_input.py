"""What the master answers to what it cannot take, over real gRPC.

Each case: a clear status, a message that names the field, the value and what is allowed, and
a ledger that is as it was.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest

from nucleus.core.worker import Assignment, Report, Reports
from nucleus.rpc import convert
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.master import Master
from tests.support import open_stub, refused, running_master

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def master() -> Iterator[Master]:
    with running_master() as master:
        yield master


@pytest.fixture
def stub(master: Master) -> Iterator[JobQueueServiceStub]:
    """A stub; afterwards the ledger must count the jobs that it counted before."""
    with open_stub(master.address) as stub:
        yield stub


def counts(stub: JobQueueServiceStub) -> tuple[int, dict[str, int], int]:
    state = stub.GetClusterState(pb.GetClusterStateRequest())
    return state.submitted, dict(state.jobs), state.next_seq


@dataclass(frozen=True)
class Case:
    """A job that is refused, and what the message must say."""

    says: str
    job_type: str = "Fibonacci"
    payload: str = "5"
    fields: tuple[tuple[str, Any], ...] = ()

    def spec(self) -> pb.JobSpec:
        return pb.JobSpec(job_type=self.job_type, payload=self.payload, **dict(self.fields))


def case(says: str, payload: str = "5", job_type: str = "Fibonacci", **fields: Any) -> Case:
    return Case(says, job_type, payload, tuple(fields.items()))


TAKES = "Fibonacci takes an integer from 0 to 45"
KNOWN = "known: Echo, FastFibonacci, Fibonacci, Flaky, Poison, Sleep"
BAD_JOBS = {
    "job_type missing": case(f"job_type: '' is not allowed; {KNOWN}", job_type=""),
    "job_type unknown": case(f"job_type: 'Nope' is not allowed; {KNOWN}", job_type="Nope"),
    "job_type in lower case": case(f"'echo' is not allowed; {KNOWN}", job_type="echo"),
    "job_type endless": case("job_type: 'xxx", job_type="x" * 10_000),
    "payload missing": case("payload: an empty text is not JSON", ""),
    "payload missing for Echo": case("payload: an empty text is not JSON", "", "Echo"),
    "payload null": case(f"payload: null is not allowed; {TAKES}", "null"),
    "payload a string": case(f'payload: "5" is not allowed; {TAKES}', '"5"'),
    "payload a float": case(f"payload: 5.0 is not allowed; {TAKES}", "5.0"),
    "payload a boolean": case(f"payload: true is not allowed; {TAKES}", "true"),
    "payload a list": case(f"payload: [5] is not allowed; {TAKES}", "[5]"),
    "payload negative": case(f"payload: -1 is not allowed; {TAKES}", "-1"),
    "payload above the limit": case(f"payload: 46 is not allowed; {TAKES}", "46"),
    "payload a huge integer": case("is not allowed", "9" * 400),
    "payload an endless integer": case("5,000 digits, at most 4,300 are allowed", "9" * 5000),
    "payload of 10 MB": case("at most 1,048,576 are", json.dumps("x" * 10 * MIB), "Echo"),
    "payload of 1 MiB and 1": case("at most 1,048,576 are", json.dumps("x" * (MIB - 1)), "Echo"),
    "payload deeply nested": case("nested more than 64 deep", "[" * 65 + "]" * 65, "Echo"),
    "payload a tower": case("nested more than 64 deep", "[" * 500_000, "Echo"),
    "payload invalid JSON": case("{5 is not JSON", "{5"),
    "payload two values": case("is not JSON: Extra data", "5 5"),
    "payload NaN": case("NaN is not JSON", "NaN", "Echo"),
    "payload Infinity": case("-Infinity is not JSON", "[-Infinity]", "Echo"),
    "payload too large a float": case("1e999 is too large for a number", "1e999", "Echo"),
    "payload half a pair": case("is not Unicode text", '"\\ud800"', "Echo"),
    "Flaky with another field": case("Flaky takes an object", '{"p": 0.1, "q": 1}', "Flaky"),
    "Sleep of NaN": case("NaN is not JSON", "NaN", "Sleep"),
    "priority too high": case("priority: 1001 is not allowed", priority=1001),
    "priority too low": case("priority: -1001 is not allowed", priority=-1001),
    "delay negative": case("delay: -0.5 is not allowed; seconds from 0", delay=-0.5),
    "delay NaN": case("delay: nan is not allowed", delay=float("nan")),
    "delay for ever": case("delay: inf is not allowed", delay=float("inf")),
    "no attempts": case("max_attempts: 0 is not allowed; an integer from 1", max_attempts=0),
    "too many attempts": case("max_attempts: 101 is not allowed", max_attempts=101),
    "timeout 0": case("timeout: 0.0 is not allowed", timeout=0.0),
    "timeout NaN": case("timeout: nan is not allowed", timeout=float("nan")),
    "timeout too long": case("timeout: 86401.0 is not allowed", timeout=86401.0),
    "key too long": case("at most 200 characters", idempotency_key="k" * 201),
    "a number without a client": case("client_id: '' is not allowed", client_seq=1),
}


@pytest.mark.parametrize("bad", BAD_JOBS.values(), ids=BAD_JOBS.keys())
def test_a_bad_job_is_refused_by_name_and_changes_nothing(
    stub: JobQueueServiceStub, bad: Case
) -> None:
    before = counts(stub)
    refusal = refused(lambda: stub.SendJob(bad.spec()))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID")
    assert bad.says in refusal.message
    assert len(refusal.message) < 400, "a message stays readable whatever was sent"
    assert counts(stub) == before


def test_one_bad_job_of_a_batch_does_not_stop_the_others(stub: JobQueueServiceStub) -> None:
    before = counts(stub)[0]
    small = [bad for bad in BAD_JOBS.values() if len(bad.payload) < MIB]
    well = pb.JobSpec(job_type="Echo", payload="1")
    jobs = [job for bad in small for job in (bad.spec(), well)]
    orders = [pb.Order(like=job, payloads=[job.payload]) for job in jobs]
    reply = stub.SendJobs(pb.SendJobsRequest(orders=orders))
    assert [bool(job_id) for job_id in reply.job_ids] == [False, True] * len(small)
    for number, (bad, sick) in enumerate(zip(small, reply.refused, strict=True)):
        assert (sick.place, sick.refusal.reason) == (2 * number, "INVALID")
        assert bad.says in sick.refusal.message
    assert counts(stub)[0] == before + len(small)


def test_a_number_of_a_client_that_no_store_can_keep_is_refused(
    stub: JobQueueServiceStub,
) -> None:
    like = pb.JobSpec(job_type="Echo", client_seq=2**64 - 1)
    order = pb.Order(like=like, payloads=["1"])
    reply = stub.SendJobs(pb.SendJobsRequest(client_id="c", orders=[order]))
    assert "client_seq: 18446744073709551615" in reply.refused[0].refusal.message


def test_an_idempotency_key_for_several_jobs_is_refused(stub: JobQueueServiceStub) -> None:
    before = counts(stub)
    order = pb.Order(like=pb.JobSpec(job_type="Echo", idempotency_key="k"), payloads=["1", "2"])
    reply = stub.SendJobs(pb.SendJobsRequest(orders=[order]))
    assert list(reply.job_ids) == ["", ""]
    assert "idempotency_key: 'k' is not allowed; a key" in reply.refused[1].refusal.message
    assert counts(stub) == before


def test_results_whose_columns_differ_in_length_are_refused(stub: JobQueueServiceStub) -> None:
    results = pb.Results(job_ids=["a", "b"], leases=[1])
    refusal = refused(lambda: stub.SendResults(pb.SendResultsRequest(results=results)))
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.message.startswith("results: the columns differ in length")


def test_a_call_with_too_many_items_is_refused_as_a_whole(stub: JobQueueServiceStub) -> None:
    before = counts(stub)
    order = pb.Order(like=pb.JobSpec(job_type="Echo"), payloads=["1"] * 5001)
    many = pb.Results(job_ids=["x"] * 5001)
    numbers = range(5001)
    too_many: dict[str, Callable[[], object]] = {
        "jobs": lambda: stub.SendJobs(pb.SendJobsRequest(orders=[order])),
        "job_ids": lambda: stub.LookupJobs(pb.LookupJobsRequest(job_ids=["x"] * 5001)),
        "results": lambda: stub.SendResults(pb.SendResultsRequest(results=many)),
        "orders": lambda: stub.SendJobs(pb.SendJobsRequest(orders=[pb.Order()] * 5001)),
        "leases": lambda: list(stub.GetJobs(pb.GetJobsRequest(leases=numbers))),
        "job_types": lambda: list(stub.GetJobs(pb.GetJobsRequest(job_types=["x"] * 5001))),
        "running": lambda: stub.Heartbeat(pb.HeartbeatRequest(running=numbers)),
        "stopped": lambda: stub.Heartbeat(pb.HeartbeatRequest(stopped=numbers)),
    }
    for field, call in too_many.items():
        refusal = refused(call)
        assert refusal.code == "INVALID_ARGUMENT"
        assert refusal.message == f"{field}: 5001 in one call are not allowed; at most 5000"
    assert counts(stub) == before


def test_a_message_beyond_every_limit_is_refused_and_the_master_lives(
    stub: JobQueueServiceStub,
) -> None:
    monster = pb.JobSpec(job_type="Echo", payload=json.dumps("x" * 17 * MIB))
    assert refused(lambda: stub.SendJob(monster)).code == "RESOURCE_EXHAUSTED"
    assert stub.SendJob(pb.JobSpec(job_type="Echo", payload="1")).job_id


# ---- reading --------------------------------------------------------------------------


@pytest.mark.parametrize("job_id", ["", "nope", "0000000001", "x" * 1000])
def test_unknown_ids_are_not_found(stub: JobQueueServiceStub, job_id: str) -> None:
    before = counts(stub)
    calls: list[Callable[[], object]] = [
        lambda: stub.CancelJob(pb.CancelJobRequest(job_id=job_id)),
        lambda: stub.RetryJob(pb.RetryJobRequest(job_id=job_id)),
    ]
    for call in calls:
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "UNKNOWN_JOB")
        assert refusal.message.startswith("job_id: ") and len(refusal.message) < 200
    reply = stub.LookupJobs(pb.LookupJobsRequest(job_ids=[job_id]))
    assert (list(reply.jobs), list(reply.unknown)) == ([], [job_id])
    assert counts(stub) == before


def test_page_tokens_of_nobody_or_of_another_ledger_are_refused(
    stub: JobQueueServiceStub,
) -> None:
    ledger_id = stub.GetClusterState(pb.GetClusterStateRequest()).ledger_id
    tokens = [
        "garbage",
        "0000000001",
        "other1-0000000001",
        f"{ledger_id}-",
        f"{ledger_id}-0000000000",
        f"{ledger_id}-1",
        f"{ledger_id}-x-0000000001",
        f"{ledger_id}--000000001",
        "\0",
        "x" * 5000,
    ]
    for token in tokens:
        refusal = refused(partial(stub.GetAllJobs, pb.GetAllJobsRequest(page_token=token)))
        assert refusal.code == "INVALID_ARGUMENT", token
        assert refusal.message.startswith("page_token: ")
        assert "the next_page_token of the page before" in refusal.message


def test_a_limit_above_the_largest_page_is_refused(stub: JobQueueServiceStub) -> None:
    refusal = refused(lambda: stub.GetAllJobs(pb.GetAllJobsRequest(limit=5001)))
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.message == "limit: 5001 is not allowed; 0 to 5000"


@pytest.mark.parametrize("number", [0, 6, 99, -1])
def test_a_number_that_is_no_status_is_refused(stub: JobQueueServiceStub, number: int) -> None:
    request = pb.GetAllJobsRequest(status=[1, number])  # type: ignore[list-item] # on purpose
    refusal = refused(lambda: stub.GetAllJobs(request))
    assert refusal.code == "INVALID_ARGUMENT"
    assert "QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED" in refusal.message


def test_watching_what_cannot_be_watched_is_refused(stub: JobQueueServiceStub) -> None:
    next_seq = stub.GetClusterState(pb.GetClusterStateRequest()).next_seq
    refusal = refused(lambda: next(stub.WatchEvents(pb.WatchEventsRequest(kinds=["Nope"]))))
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.message.startswith("kinds: 'Nope' is not allowed; JobSubmitted, JobLeased")
    future = pb.WatchEventsRequest(from_seq=next_seq + 1000)
    refusal = refused(lambda: next(stub.WatchEvents(future)))
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.message.startswith(f"from_seq: {next_seq + 1000} is not allowed; 0 for")


# ---- working --------------------------------------------------------------------------


def hello(**given: Any) -> pb.GetJobsRequest:
    values: dict[str, Any] = {
        "worker": "w",
        "incarnation": "i1",
        "session": 1,
        "slots": 1,
        "credit": pb.Credit(window=1, seq=1),
        "job_types": ["Echo"],
    }
    return pb.GetJobsRequest(**{**values, **given})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"worker": ""}, "worker: '' is not allowed; 1 to 100 printable characters"),
        ({"worker": "a\nb"}, "worker: 'a\\nb' is not allowed"),
        ({"worker": "x" * 101}, "worker: 'xxx"),
        ({"incarnation": ""}, "incarnation: '' is not allowed"),
        ({"session": 0}, "session: 0 is not allowed; an integer from 1 to 9223372036854775807"),
        ({"slots": 0}, "slots: 0 is not allowed; an integer from 1 to 1024"),
        ({"slots": 1025}, "slots: 1025 is not allowed"),
        ({"credit": pb.Credit(window=1025)}, "credit.window: 1025 is not allowed; at most 1024"),
        ({"job_types": []}, "job_types: [] is not allowed; a worker offers at least one"),
        ({"job_types": ["Echo", ""]}, "job_types: '' is not allowed"),
    ],
)
def test_a_worker_that_makes_no_sense_is_refused(
    stub: JobQueueServiceStub, given: dict[str, Any], says: str
) -> None:
    before = stub.GetClusterState(pb.GetClusterStateRequest())
    refusal = refused(lambda: next(stub.GetJobs(hello(**given))))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID")
    assert says in refusal.message
    after = stub.GetClusterState(pb.GetClusterStateRequest())
    assert list(after.workers) == list(before.workers)


def test_a_heartbeat_of_an_unknown_worker_is_answered_open_again(
    stub: JobQueueServiceStub,
) -> None:
    beat = pb.HeartbeatRequest(worker="nobody", incarnation="i", session=1)
    reply = stub.Heartbeat(beat)
    assert reply.open_again and not reply.voided
    workers = stub.GetClusterState(pb.GetClusterStateRequest()).workers
    assert "nobody" not in [worker.worker for worker in workers]


class FakeWorker:
    """A worker spoken by hand: one open session."""

    def __init__(
        self, stub: JobQueueServiceStub, name: str, session: int = 1, **given: Any
    ) -> None:
        self.name = name
        self.stub = stub
        self.stream = stub.GetJobs(hello(worker=name, session=session, **given))
        self.first: pb.JobBatch = next(self.stream)

    def lease(self) -> Assignment:
        return convert.assignments_from_message(next(self.stream))[0]

    def report(self, job_id: str, lease: int, incarnation: str = "i1") -> object:
        result = pb.Result(job_id=job_id, lease=lease, result="1")
        request = pb.SendResultRequest(worker=self.name, incarnation=incarnation, result=result)
        return self.stub.SendResult(request)

    def leave(self) -> None:
        beat = pb.HeartbeatRequest(worker=self.name, incarnation="i1", session=1, leaving=True)
        self.stub.Heartbeat(beat)
        self.stream.cancel()


@pytest.fixture
def fresh() -> Iterator[JobQueueServiceStub]:
    """A stub of a master of this test's own, which nobody else works for."""
    with running_master() as master, open_stub(master.address) as stub:
        yield stub


def submit(stub: JobQueueServiceStub, payload: str = "1") -> str:
    job_id: str = stub.SendJob(pb.JobSpec(job_type="Echo", payload=payload)).job_id
    return job_id


def status(stub: JobQueueServiceStub, job_id: str) -> str:
    job = stub.LookupJobs(pb.LookupJobsRequest(job_ids=[job_id])).jobs[0]
    return pb.JobStatus.Name(job.status)


def test_results_that_nobody_is_owed_are_refused_and_counted(fresh: JobQueueServiceStub) -> None:
    waiting_behind = FakeWorker(fresh, "other")
    waiting_behind.leave()
    worker = FakeWorker(fresh, "w")
    job_id = submit(fresh)
    lease = worker.lease().lease
    never_leased = submit(fresh)
    refusal = refused(lambda: worker.report(never_leased, 12345))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "STALE_LEASE")
    assert "lease: 12345 is stale" in refusal.message and "QUEUED under no lease" in refusal.message
    refusal = refused(lambda: worker.report(job_id, lease - 1))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "STALE_LEASE")
    assert f"RUNNING under lease {lease}" in refusal.message
    refusal = refused(lambda: waiting_behind.report(job_id, lease))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "WRONG_WORKER")
    refusal = refused(lambda: worker.report(job_id, lease, incarnation="i2"))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "WRONG_WORKER")
    refusal = refused(lambda: worker.report("nope", lease))
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "UNKNOWN_JOB")
    assert status(fresh, job_id) == "RUNNING"
    state = fresh.GetClusterState(pb.GetClusterStateRequest())
    assert dict(state.rejected) == {"stale_lease": 2, "wrong_worker": 2, "unknown_job": 1}
    worker.report(job_id, lease)
    assert status(fresh, job_id) == "COMPLETED"
    worker.report(job_id, lease)  # a repeat is taken, and changes nothing


def test_a_result_of_a_cancelled_job_is_refused(fresh: JobQueueServiceStub) -> None:
    worker = FakeWorker(fresh, "w")
    job_id = submit(fresh)
    lease = worker.lease().lease
    fresh.CancelJob(pb.CancelJobRequest(job_id=job_id))
    refusal = refused(lambda: worker.report(job_id, lease))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "CANCELLED")
    beat = pb.HeartbeatRequest(worker="w", incarnation="i1", session=1)
    assert fresh.Heartbeat(beat).voided == []  # it has reported, so it holds it no longer


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (pb.Result(), "outcome: None is not allowed; one of result, error and released"),
        (pb.Result(result="{not JSON"), "result: {not JSON is not JSON"),
        (pb.Result(result='"' + "x" * MIB + '"'), "at most 1048576 characters"),
        (pb.Result(released=False), "outcome: None is not allowed"),
        (pb.Result(result="1", run_seconds=float("nan")), "run_seconds: nan is not allowed"),
        (pb.Result(result="NaN"), "result: NaN is not JSON"),
        (pb.Result(result="[" * 70 + "]" * 70), "is nested more than 64 deep"),
    ],
)
def test_a_report_that_says_nothing_legal_is_refused(
    fresh: JobQueueServiceStub, result: pb.Result, says: str
) -> None:
    worker = FakeWorker(fresh, "w")
    job_id = submit(fresh)
    result.job_id, result.lease = job_id, worker.lease().lease
    request = pb.SendResultRequest(worker="w", incarnation="i1", result=result)
    refusal = refused(lambda: fresh.SendResult(request))
    assert refusal.code == "INVALID_ARGUMENT"
    assert says in refusal.message
    assert status(fresh, job_id) == "RUNNING"


def test_many_results_get_an_outcome_each(fresh: JobQueueServiceStub) -> None:
    worker = FakeWorker(fresh, "w", credit=pb.Credit(window=2, seq=1))
    jobs = [submit(fresh), submit(fresh)]
    leases = {job_id: worker.lease().lease for job_id in jobs}
    items = (
        Report(jobs[0], leases[jobs[0]], result="1"),
        Report(jobs[1], 1, result="1"),
        Report("nope", 1, result="1"),
        Report(jobs[1], leases[jobs[1]], error="boom"),
    )
    reply = fresh.SendResults(convert.reports_to_message(Reports("w", "i1", items)))
    reasons = [(item.place, item.refusal.reason) for item in reply.refused]
    assert reasons == [(1, "STALE_LEASE"), (2, "UNKNOWN_JOB")]


def test_an_overtaken_session_is_refused_and_leaves_the_open_one_alone(
    fresh: JobQueueServiceStub,
) -> None:
    worker = FakeWorker(fresh, "w", session=2)
    for session in (1, 2):
        refusal = refused(partial(next, fresh.GetJobs(hello(session=session))))
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "OLD_SESSION")
        assert f"session: {session} is not allowed; 2 was opened already" in refusal.message
    (state,) = fresh.GetClusterState(pb.GetClusterStateRequest()).workers
    assert (state.connected, state.session) == (True, 2)
    beat = pb.HeartbeatRequest(worker="w", incarnation="i1", session=2)
    assert not fresh.Heartbeat(beat).open_again
    job_id = submit(fresh)
    assert worker.lease().job_id == job_id


def test_an_incarnation_that_was_replaced_is_refused_for_ever(fresh: JobQueueServiceStub) -> None:
    older = FakeWorker(fresh, "w")
    FakeWorker(fresh, "w", incarnation="i2")
    with pytest.raises(StopIteration):
        next(older.stream)
    beat = pb.HeartbeatRequest(worker="w", incarnation="i1", session=1)
    calls: list[Callable[[], object]] = [
        lambda: next(fresh.GetJobs(hello(session=7))),
        lambda: fresh.Heartbeat(beat),
    ]
    for call in calls:
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "REPLACED")
        assert "a newer incarnation of 'w' took its place" in refusal.message


def test_an_unknown_method_is_said_to_be_unknown(master: Master) -> None:
    with grpc.insecure_channel(master.address) as channel:
        call: Any = channel.unary_unary("/nucleus.rpc.JobQueueService/Nope")
        assert refused(lambda: call(b"")).code == "UNIMPLEMENTED"


def test_bytes_that_are_no_message_are_refused(master: Master, stub: JobQueueServiceStub) -> None:
    before = counts(stub)
    with grpc.insecure_channel(master.address) as channel:
        call: Any = channel.unary_unary("/nucleus.rpc.JobQueueService/SendJob")
        assert "Error parsing message" in refused(lambda: call(b"\xff\xff\xff")).message
    assert counts(stub) == before


def test_a_lease_or_session_that_no_store_can_keep_is_refused(fresh: JobQueueServiceStub) -> None:
    huge = 2**63
    result = pb.Result(job_id=submit(fresh), lease=huge, result="1")
    report = pb.SendResultRequest(worker="w", incarnation="i1", result=result)
    refusal = refused(lambda: fresh.SendResult(report))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID")
    assert f"lease: {huge} is not allowed" in refusal.message
    hello = pb.GetJobsRequest(
        worker="w", incarnation="i1", session=huge, slots=1, job_types=["Echo"]
    )
    refusal = refused(lambda: next(fresh.GetJobs(hello)))
    assert f"session: {huge} is not allowed" in refusal.message
