"""Messages and dataclasses say the same; refusals survive the wire."""

from dataclasses import fields, replace
from typing import Any

import grpc
import pytest

from nucleus.core.events import KINDS, Event, JobSubmitted
from nucleus.core.job import Job, JobSpec, Order
from nucleus.core.keys import Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import Beat, Credit, Hello, Report, Reports
from nucleus.rpc import convert
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.backoff import LONGEST, Backoff
from nucleus.rpc.chunks import MAX_ITEMS, MAX_SIZE, chunks
from nucleus.rpc.status import CODES, REASON_KEY, reason_of, refusal_error, rpc_error
from tests.test_stores_contract import a_job, an_event

MAX64 = 2**64 - 1


def over_the_wire(message: Any) -> Any:
    """The message after it was bytes."""
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize(
    "spec",
    [
        JobSpec("Echo", "1"),
        JobSpec("Écho", '"☃"', -1000, 0.5, 100, 86400.0, "key", MAX64),
        JobSpec("Echo", "", max_attempts=1, timeout=0.001),
    ],
)
def test_a_job_to_be_submitted_arrives_as_it_was_sent(spec: JobSpec) -> None:
    assert convert.spec_from_message(over_the_wire(convert.spec_to_message(spec))) == spec


def test_what_is_not_given_is_the_default_and_a_given_0_is_a_0() -> None:
    given = convert.spec_from_message(pb.JobSpec(job_type="Echo", payload="1"))
    assert given == JobSpec("Echo", "1")
    zero = convert.spec_from_message(pb.JobSpec(max_attempts=0, timeout=0.0))
    assert (zero.max_attempts, zero.timeout) == (0, 0.0)


@pytest.mark.parametrize("outcome", [Accepted("id", True), Accepted("id", False)])
def test_what_became_of_a_submit_arrives(outcome: Accepted) -> None:
    message = over_the_wire(convert.outcomes_to_message([outcome, outcome], "ledger"))
    assert convert.outcomes_from_message(message) == [outcome, outcome]


def test_jobs_that_are_alike_arrive_as_one_order() -> None:
    order = Order(JobSpec("Echo", "", 3, key="k"), ["1", '"☃"'], MAX64 - 1)
    arrived = convert.order_from_message(over_the_wire(convert.order_to_message(order)))
    assert list(arrived.payloads) == order.payloads
    assert arrived.first_seq == arrived.like.client_seq == order.first_seq
    assert replace(arrived.like, client_seq=0) == order.like


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_arrives_with_its_reason_and_has_a_status_and_an_error(
    reason: Reason,
) -> None:
    refusal = Refusal(reason, "says why")
    outcomes: list[Accepted | Refusal] = [Accepted("id", False), refusal]
    message = over_the_wire(convert.outcomes_to_message(outcomes, "ledger"))
    assert convert.outcomes_from_message(message) == outcomes
    answer = over_the_wire(convert.refusals_to_message([None, refusal, None], (), "ledger"))
    assert convert.refusals_from_message(answer, 3) == [None, refusal, None]
    error = refusal_error(refusal)
    assert str(error) == "says why"
    assert error.definite == (reason is not Reason.KEY_EXPIRED)
    assert type(error) is type(rpc_error(_rpc_error(CODES[reason], reason)))
    assert reason_of(_rpc_error(CODES[reason], reason)) is reason


def test_a_reason_that_only_a_newer_master_knows_is_a_refusal_all_the_same() -> None:
    message = pb.Refusal(reason="FROM_THE_FUTURE", message="no")
    assert convert.refusal_from_message(message) == Refusal(Reason.INVALID, "no")


def _rpc_error(code: grpc.StatusCode, reason: Reason | None = None) -> grpc.aio.AioRpcError:
    trailing = [(REASON_KEY, reason.name)] if reason else []
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details="says why"
    )


@pytest.mark.parametrize(
    ("code", "kind", "definite"),
    [
        (grpc.StatusCode.ABORTED, "Unavailable", True),
        (grpc.StatusCode.UNAVAILABLE, "Unavailable", False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Unavailable", False),
        (grpc.StatusCode.NOT_FOUND, "NotFound", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "ResourceExhausted", True),
        (grpc.StatusCode.UNIMPLEMENTED, "Unavailable", False),
    ],
)
def test_an_error_says_whether_it_is_definite(
    code: grpc.StatusCode, kind: str, definite: bool
) -> None:
    error = rpc_error(_rpc_error(code))
    assert (type(error).__name__, error.definite) == (kind, definite)
    assert reason_of(_rpc_error(code)) is None


def test_what_a_worker_says_of_itself_arrives() -> None:
    hello = Hello("w", "i", 3, 2, Credit(5, MAX64), ("A", "B"), (1, MAX64))
    assert convert.hello_from_message(over_the_wire(convert.hello_to_message(hello))) == hello
    for beat in (
        Beat("w", "i", 3, Credit(5, 6)),
        Beat("w", "i", 3, Credit(0, 0), (1,), (2,), True),
    ):
        assert convert.beat_from_message(over_the_wire(convert.beat_to_message(beat))) == beat


@pytest.mark.parametrize(
    "report",
    [
        Report("id", 1, result="1", output="printed", run_seconds=0.5),
        Report("id", 1, result=""),
        Report("id", 1, error="boom"),
        Report("id", 1, error=""),
        Report("id", 1, released=True),
    ],
)
def test_what_became_of_a_lease_arrives(report: Report) -> None:
    for reports in (
        Reports("w", "i", (report, report), Credit(1, 2), (3,)),
        Reports("w", "i", (report,)),
    ):
        message = over_the_wire(convert.reports_to_message(reports))
        assert convert.reports_from_message(message) == reports


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_kind_of_event_arrives_as_it_was(kind: type[Event]) -> None:
    event = an_event(kind, 7, a_job("abc123", 5))
    other = an_event(JobSubmitted, 9, a_job("abc123", 9))
    events = [event, event, other, event]
    messages = [over_the_wire(message) for message in convert.events_to_message(events)]
    assert list(convert.events_from_message(messages)) == events


@pytest.mark.parametrize("kind", KINDS.values())
def test_the_message_of_an_event_has_a_field_for_each_of_its_own(kind: type[Event]) -> None:
    names = {field.name for field in pb.Events.DESCRIPTOR.fields}
    assert {field.name for field in fields(kind)} <= names


def test_an_event_of_a_kind_that_only_a_newer_master_knows_is_left_out() -> None:
    unknown = pb.Events(kind="JobPaused", seq=[1])
    assert list(convert.events_from_message([unknown])) == []


def test_a_job_is_shown_with_every_field_that_readers_know() -> None:
    job = a_job("abc123", 5)
    message = over_the_wire(convert.job_to_message(job))
    renamed = {"job_id": "id", "idempotency_key": "key"}
    for field in pb.Job.DESCRIPTOR.fields:
        expected = getattr(job, renamed.get(field.name, field.name))
        assert getattr(message, field.name) == expected, field.name


def test_times_that_are_not_known_stay_unknown() -> None:
    job = Job("id", 1, "Echo", "1", 0, 3, None, "", "", 0, "", 1.0, 1.0)
    message = over_the_wire(convert.job_to_message(job))
    assert [message.HasField(f) for f in ("timeout", "started_at", "finished_at")] == [False] * 3


def test_the_statuses_of_the_protocol_are_those_of_the_core() -> None:
    names = {name: number for name, number in pb.JobStatus.items() if number}
    assert names == {status.name: int(status) for status in Status}
    with pytest.raises(ValueError):
        convert.statuses_from_message([1, 0])


# ---- chunks, backoff ------------------------------------------------------------------


def test_chunks_keep_the_order_and_the_bounds() -> None:
    items = ["x" * (n * 7919 % 300_000) for n in range(100)]
    split = list(chunks(items, len, max_items=10))
    assert [item for chunk in split for item in chunk] == items
    assert all(0 < len(chunk) <= 10 for chunk in split)
    assert all(sum(map(len, chunk)) <= MAX_SIZE for chunk in split)
    assert [len(chunk) for chunk in chunks([0] * (MAX_ITEMS + 1), lambda _: 0)] == [MAX_ITEMS, 1]
    assert list(chunks([], len)) == []


def test_an_item_beyond_the_bound_travels_alone() -> None:
    big = "x" * (MAX_SIZE + 1)
    assert list(chunks(["a", big, "b"], len)) == [["a"], [big], ["b"]]


def test_a_backoff_waits_longer_each_time_and_speaks_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    import logging

    logger = logging.getLogger("nucleus.test")
    caplog.set_level(logging.INFO, logger.name)
    backoff = Backoff(logger, "no master")
    delays = [backoff.failed("refused") for _ in range(2000)]
    assert delays[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, LONGEST]
    assert delays == sorted(delays) and delays[-1] == LONGEST
    backoff.succeeded()
    backoff.succeeded()
    assert backoff.failed("again") == 0.1
    assert [record.message for record in caplog.records] == [
        "no master: refused; trying again",
        "no master: works again",
        "no master: again; trying again",
    ]
