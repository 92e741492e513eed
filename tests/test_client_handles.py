"""What a handle promises, and what ``submit`` says at once."""

import asyncio
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, as_completed, wait
from typing import Any

import pytest

from nucleus.client import Client, JobHandle
from nucleus.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    JobFailed,
    NotFound,
    Unavailable,
)
from nucleus.core.limits import Limits
from nucleus.jobs import Registry
from nucleus.services.master import Master
from tests.support import eventually, free_port, running_master, running_worker, service_threads


@pytest.fixture(scope="module")
def served() -> Iterator[Master]:
    """A master with a worker."""
    with running_master() as master, running_worker(master.address, slots=4):
        yield master


@pytest.fixture
def client(served: Master) -> Iterator[Client]:
    with Client(served.address) as client:
        yield client


@pytest.fixture
def idle() -> Iterator[Client]:
    """A client of a master without a worker: what it submits stays queued."""
    with running_master() as master, Client(master.address) as client:
        yield client


# ---- results --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, -1.5, "é☃\U0001f600\0", None, True, [], {"a": [{}]}, 10**400])
def test_a_result_comes_back_as_the_value_that_it_was(client: Client, value: Any) -> None:
    assert client.submit("Echo", value).result(timeout=60) == value


def test_a_failed_job_raises_its_last_error(client: Client) -> None:
    handle = client.submit("Flaky", {"p": 1.0}, max_attempts=1)
    with pytest.raises(JobFailed, match="bad luck"):
        handle.result(timeout=60)
    assert isinstance(handle.exception(), JobFailed)
    assert handle.done() and not handle.cancelled()
    assert "failed" in repr(handle)


def test_a_cancelled_job_raises_cancelled_error(idle: Client) -> None:
    handle = idle.submit("Echo", 1)
    assert handle.acknowledged(timeout=60)
    assert handle.cancel()
    assert handle.cancelled(), "at once, as a Future promises"
    with pytest.raises(CancelledError):
        handle.result(timeout=0)
    assert handle.cancel()
    assert idle.job(handle.id).status == "CANCELLED"


def test_a_job_that_somebody_else_cancels_is_cancelled_here(idle: Client) -> None:
    handle = idle.submit("Echo", 1)
    with Client(idle.address) as other:
        other.cancel(handle.id)
        other.cancel(handle.id)
    with pytest.raises(CancelledError):
        handle.result(timeout=60)


def test_a_job_that_has_ended_cannot_be_cancelled(client: Client) -> None:
    handle = client.submit("Echo", 1)
    assert handle.result(timeout=60) == 1
    assert not handle.cancel()
    with pytest.raises(FailedPrecondition, match="is COMPLETED"):
        client.cancel(handle.id)


def test_waiting_no_longer_than_asked_for(idle: Client) -> None:
    handle = idle.submit("Echo", 1)
    assert handle.acknowledged(timeout=60) == handle.id
    with pytest.raises(TimeoutError):
        handle.result(timeout=0.01)
    assert "acknowledged" in repr(handle) and handle.id in repr(handle)


def test_as_completed_and_wait_work(client: Client) -> None:
    handles = client.submit_many("Echo", range(50))
    assert {handle.result() for handle in as_completed(handles, timeout=60)} == set(range(50))
    done, not_done = wait(client.submit_many("Echo", range(50)), timeout=60)
    assert (len(done), len(not_done)) == (50, 0)


def test_results_of_map_come_in_the_order_of_the_payloads(client: Client) -> None:
    payloads = [0.2, 0.0, 0.1, 0.05]
    assert list(client.map("Sleep", payloads)) == payloads
    assert list(client.map("Echo", [])) == []


def test_a_handle_can_be_awaited(client: Client) -> None:
    async def both() -> list[Any]:
        handles = client.submit_many("Echo", ["a", "b"])
        return await asyncio.gather(*(asyncio.wrap_future(handle) for handle in handles))

    assert asyncio.run(both()) == ["a", "b"]


def test_callbacks_run_on_one_thread_and_never_on_the_loop(client: Client) -> None:
    threads: list[str] = []
    got: list[Future[Any]] = []

    def note(future: Future[Any]) -> None:
        threads.append(threading.current_thread().name)
        got.append(future)

    handles = client.submit_many("Sleep", [0.05] * 20)
    for handle in handles:
        handle.add_done_callback(note)
    eventually(lambda: len(got) == 20)
    assert len(set(threads)) == 1
    assert threads[0].startswith("nucleus-callbacks-")
    assert set(got) == set(handles)


def test_a_callback_that_blocks_or_raises_stops_no_call(client: Client) -> None:
    release = threading.Event()
    first, second = client.submit("Sleep", 0.05), client.submit("Sleep", 0.05)
    first.add_done_callback(lambda _: release.wait(timeout=60))
    second.add_done_callback(_fail)
    assert first.result(timeout=60) == 0.05
    assert client.stats().ledger_id  # calls still go through
    release.set()
    assert second.result(timeout=60) == 0.05
    assert client.submit("Echo", 1).result(timeout=60) == 1


def _fail(_: Future[Any]) -> None:
    raise ZeroDivisionError


def test_a_callback_may_use_the_client(client: Client) -> None:
    chain: list[JobHandle] = []
    done = threading.Event()

    def again(future: Future[Any]) -> None:
        if len(chain) == 5:
            done.set()
            return
        chain.append(client.submit("Echo", future.result() + 1))
        chain[-1].add_done_callback(again)

    client.submit("Echo", 0).add_done_callback(again)
    assert done.wait(timeout=60)
    assert [handle.result() for handle in chain] == [1, 2, 3, 4, 5]


# ---- what is refused ------------------------------------------------------------------


class Unprintable:
    """Not JSON."""


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("Fibonacci", 46), {}, "payload: 46 is not allowed; Fibonacci takes an integer"),
        (("Fibonacci", "5"), {}, 'payload: "5" is not allowed'),
        (("Fibonacci", True), {}, "payload: true is not allowed"),
        (("Fibonacci", None), {}, "payload: null is not allowed"),
        (("Echo", float("nan")), {}, "a payload is a JSON value"),
        (("Echo", Unprintable()), {}, "a payload is a JSON value"),
        (("Echo", {1, 2}), {}, "a payload is a JSON value"),
        (("Echo", "\ud800"), {}, "payload: "),
        (("Echo", "x" * 1_100_000), {}, "at most 1,048,576"),
        (("Nope", "x" * 1_100_000), {}, "at most 1,048,576"),
        (("\ud800", 1), {}, "job_type: "),
        ((5, 1), {}, "job_type: 5 is not allowed; of the type str"),
        ((["Echo"], 1), {}, "job_type: ['Echo'] is not allowed"),
        ((None, 1), {}, "job_type: None is not allowed"),
        (("Echo", 1), {"priority": 1001}, "priority: 1001 is not allowed"),
        (("Echo", 1), {"priority": "high"}, "priority: 'high' is not allowed"),
        (("Echo", 1), {"priority": 1.5}, "priority: 1.5 is not allowed"),
        (("Echo", 1), {"delay": -1}, "delay: -1 is not allowed"),
        (("Echo", 1), {"delay": float("nan")}, "delay: nan is not allowed"),
        (("Echo", 1), {"delay": "soon"}, "delay: 'soon' is not allowed"),
        (("Echo", 1), {"max_attempts": 0}, "max_attempts: 0 is not allowed"),
        (("Echo", 1), {"max_attempts": True}, "max_attempts: True is not allowed"),
        (("Echo", 1), {"timeout": 0}, "timeout: 0 is not allowed"),
        (("Echo", 1), {"timeout": 1e9}, "timeout: 1000000000.0 is not allowed"),
        (("Echo", 1), {"idempotency_key": "k" * 201}, "at most 200 characters"),
        (("Echo", 1), {"idempotency_key": 0}, "idempotency_key: 0 is not allowed"),
        (("Echo", 1), {"idempotency_key": "\ud800"}, "idempotency_key: "),
    ],
)
def test_what_can_be_seen_to_be_wrong_is_refused_at_once(
    client: Client, arguments: tuple[Any, Any], options: dict[str, Any], says: str
) -> None:
    before = client.stats().submitted
    with pytest.raises(InvalidArgument) as refusal:
        client.submit(*arguments, **options)
    assert says in str(refusal.value)
    assert refusal.value.definite
    assert client.stats().submitted == before
    assert client.submit("Echo", 1).result(timeout=60) == 1


def test_what_is_refused_does_not_depend_on_the_submit_before(idle: Client) -> None:
    idle.submit("Echo", 1, priority=1)
    for equal in (True, 1.0):
        with pytest.raises(InvalidArgument, match="priority"):
            idle.submit("Echo", 1, priority=equal)  # type: ignore[arg-type]


def test_what_only_the_master_knows_is_refused_on_the_handle(client: Client) -> None:
    handle = client.submit("Nope", 1)
    with pytest.raises(InvalidArgument, match="known: Echo, FastFibonacci"):
        handle.result(timeout=60)
    with pytest.raises(InvalidArgument):
        handle.acknowledged()
    with pytest.raises(InvalidArgument):
        print(handle.id)
    assert not handle.cancel()


def test_one_refusal_does_not_touch_the_jobs_beside_it(client: Client) -> None:
    handles = [client.submit("Nope" if n % 3 == 0 else "Echo", n) for n in range(60)]
    for n, handle in enumerate(handles):
        if n % 3 == 0:
            assert isinstance(handle.exception(timeout=60), InvalidArgument)
        else:
            assert handle.result(timeout=60) == n


def test_a_full_queue_is_told_on_the_handle() -> None:
    with running_master(limits=Limits(max_queued=2)) as master, Client(master.address) as client:
        handles = client.submit_many("Echo", range(4))
        client.flush(timeout=60)
        errors = [type(h.exception(timeout=60)).__name__ for h in handles[2:]]
        assert errors == ["ResourceExhausted"] * 2
        assert len(list(client.jobs("QUEUED"))) == 2


def test_a_refusal_that_nobody_reads_is_warned_of_at_the_end(served: Master) -> None:
    client = Client(served.address)
    client.submit("Nope", 1)
    client.submit("Nope", 2).exception(timeout=60)  # looked at
    with pytest.warns(UserWarning, match=r"nucleus: 1 submits were refused; the first: job_type"):
        client.close()


def test_a_failed_job_and_a_refusal_that_was_read_are_no_reason_to_warn(served: Master) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(served.address) as client:
            client.submit("Flaky", {"p": 1.0}, max_attempts=1)
            with pytest.raises(InvalidArgument):
                client.submit("Nope", 1).result(timeout=60)


def test_who_waits_for_a_job_that_is_let_go_of_is_told(idle: Client) -> None:
    handle = idle.submit("Echo", 1)
    job_id = handle.acknowledged(timeout=60)
    idle.forget(handle)
    with pytest.raises(Unavailable, match="nobody follows this job") as error:
        handle.result(timeout=0)
    assert not error.value.definite
    idle.forget(handle)  # once more is fine
    assert handle.id == job_id and idle.job(job_id).status == "QUEUED"


# ---- keys -----------------------------------------------------------------------------


def test_the_same_key_gives_the_same_job(client: Client) -> None:
    first = client.submit("Echo", 1, idempotency_key="same")
    second = client.submit("Echo", 1, idempotency_key="same")
    assert first.id == second.id
    assert first.result(timeout=60) == second.result(timeout=60) == 1
    third = client.submit("Echo", 1, idempotency_key="same")  # also when it has ended
    assert third.id == first.id
    assert third.result(timeout=60) == 1


def test_the_same_key_for_another_job_is_refused(client: Client) -> None:
    client.submit("Echo", 1, idempotency_key="other").acknowledged(timeout=60)
    handle = client.submit("Echo", 2, idempotency_key="other")
    with pytest.raises(AlreadyExists, match="idempotency_key: 'other' belongs to"):
        handle.result(timeout=60)


def test_the_handle_of_a_job_that_another_client_made_first_ends_too(idle: Client) -> None:
    with Client(idle.address) as other:
        mine = idle.submit("Echo", "x", idempotency_key="shared")
        assert mine.acknowledged(timeout=60)
        theirs = other.submit("Echo", "x", idempotency_key="shared")
        assert theirs.acknowledged(timeout=60) == mine.id
        with running_worker(idle.address):
            assert theirs.result(timeout=60) == "x"
            assert mine.result(timeout=60) == "x"


def test_a_retry_is_a_new_job_and_its_handle_follows_it(idle: Client) -> None:
    first = idle.submit("Echo", "again", priority=7)
    with pytest.raises(FailedPrecondition, match="only an ended job can be retried"):
        idle.retry(first.id)
    assert first.cancel()
    second = idle.retry(first.id)
    assert second.id != first.id
    assert idle.job(second.id).retry_of == first.id
    assert idle.job(second.id).priority == 7
    with running_worker(idle.address):
        assert second.result(timeout=60) == "again"
    third = idle.retry(first.id)
    assert third.cancel() and third.cancelled()
    with pytest.raises(NotFound):
        idle.retry("nope")


# ---- asking ---------------------------------------------------------------------------


def test_a_job_is_shown_with_what_became_of_it(client: Client) -> None:
    handle = client.submit("Echo", {"a": 1}, priority=3, max_attempts=2)
    handle.result(timeout=60)
    job = client.job(handle.id)
    assert (job.id, job.job_type, job.payload, job.result) == (
        handle.id,
        "Echo",
        {"a": 1},
        {"a": 1},
    )
    assert (job.status, job.priority, job.attempts, job.max_attempts) == ("COMPLETED", 3, 1, 2)
    assert job.started_at is not None and job.finished_at is not None
    assert job.submitted_at <= job.started_at <= job.finished_at
    with pytest.raises(NotFound, match="job_id: 'nope' is not known"):
        client.job("nope")


def test_jobs_are_listed_page_by_page_and_by_status(idle: Client) -> None:
    handles = idle.submit_many("Echo", range(25))
    idle.flush(timeout=60)
    handles[3].cancel()
    ids = [handle.id for handle in handles]
    assert [job.id for job in idle.jobs()] == ids
    assert [job.id for job in idle.jobs("CANCELLED")] == [ids[3]]
    assert len(list(idle.jobs(["QUEUED", "CANCELLED"]))) == 25
    page, token = idle.page(limit=20)
    rest, end = idle.page(limit=20, page_token=token)
    assert [job.id for job in page + rest] == ids and end == ""
    assert [job.id for job in idle.jobs(newest_first=True)] == ids[::-1]
    newest, token = idle.page(limit=5, newest_first=True)
    older, _ = idle.page(limit=5, page_token=token, newest_first=True)
    assert [job.id for job in newest + older] == ids[:14:-1]
    with pytest.raises(InvalidArgument, match="status: 'DONE' is not allowed; one of QUEUED"):
        list(idle.jobs("DONE"))
    with pytest.raises(InvalidArgument, match="page_token"):
        idle.page(page_token="garbage")


def test_stats_count_every_job_once(idle: Client) -> None:
    handles = idle.submit_many("Echo", range(5))
    idle.flush(timeout=60)
    handles[0].cancel()
    stats = idle.stats()
    assert stats.submitted == sum(stats.jobs.values()) == 5
    assert (stats.jobs["QUEUED"], stats.jobs["CANCELLED"]) == (4, 1)
    assert stats.job_types["Fibonacci"] == "an integer from 0 to 45"
    assert stats.oldest_queued_age >= 0


def test_options_reach_the_worker(idle: Client) -> None:
    low = idle.submit("Echo", "low")
    high = idle.submit("Echo", "high", priority=5)
    later = idle.submit("Echo", "later", delay=0.3)
    idle.flush(timeout=60)
    with running_worker(idle.address):
        wait([low, high, later], timeout=60)
    started = [idle.job(handle.id).started_at or 0.0 for handle in (high, low, later)]
    assert started[0] <= started[1] < started[2]


# ---- the end --------------------------------------------------------------------------


def test_closing_flushes_and_a_closed_client_says_so(served: Master) -> None:
    client = Client(served.address)
    handles = client.submit_many("Sleep", [0.01] * 500)
    client.close()
    client.close()
    with Client(served.address) as other:
        known = {job.id for job in other.jobs()}
    assert {handle.acknowledged(timeout=0) for handle in handles} <= known
    with pytest.raises(FailedPrecondition, match="the client is closed"):
        client.submit("Echo", 1)
    with pytest.raises(FailedPrecondition, match="the client is closed"):
        client.stats()


def test_nobody_waits_for_ever_for_a_handle_of_a_closed_client() -> None:
    with running_master() as master:
        with Client(master.address) as client:
            handle = client.submit("Echo", 1)
            handle.acknowledged(timeout=60)
        with pytest.raises(Unavailable, match="closed before the job ended") as error:
            handle.result(timeout=60)
        assert not error.value.definite
        assert not handle.cancel()


def test_a_submit_that_waits_for_room_ends_with_the_client() -> None:
    client = Client(f"127.0.0.1:{free_port()}")
    raised: list[BaseException] = []

    def submit_too_many() -> None:
        try:
            client.submit_many("Echo", range(5000))
        except FailedPrecondition as error:
            raised.append(error)

    submitter = threading.Thread(target=submit_too_many)
    submitter.start()
    eventually(lambda: client._tracker._session.full)
    with pytest.warns(UserWarning, match="4096 submits were not acknowledged"):
        client.close(timeout=0.1)
    submitter.join(timeout=60)
    assert not submitter.is_alive() and raised


def test_cancelling_what_was_never_sent_needs_no_master() -> None:
    client = Client(f"127.0.0.1:{free_port()}")
    handle, other = client.submit("Echo", 1), client.submit("Echo", 2)
    waiting = threading.Thread(target=wait_in_vain, args=(handle,))
    flushing = threading.Thread(target=client.flush)
    for thread in (waiting, flushing):
        thread.start()
    assert handle.cancel() and handle.cancelled()
    assert client.withdraw(other)
    for thread in (waiting, flushing):
        thread.join(timeout=60)
        assert not thread.is_alive()
    client.close()


def wait_in_vain(handle: JobHandle) -> None:
    with pytest.raises(CancelledError):
        handle.acknowledged()


def test_closing_leaves_no_thread() -> None:
    before = service_threads()
    with (
        running_master() as master,
        running_worker(master.address),
        Client(master.address) as client,
        Client(master.address, registry=Registry()),
    ):
        client.submit("Echo", 1).result(timeout=60)
    assert eventually(lambda: len(service_threads()) <= len(before))


def test_a_client_can_be_closed_from_a_callback(served: Master) -> None:
    client = Client(served.address)
    client.submit("Sleep", 0.1).add_done_callback(lambda _: client.close())
    assert eventually(lambda: client._closed and not client._tracker._callbacks.is_alive())
