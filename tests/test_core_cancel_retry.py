"""Cancelling, and trying an ended job again (promise 9)."""

import pytest

from nucleus.core.events import JobCancelled, JobLeased
from nucleus.core.keys import Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason
from nucleus.core.worker import Report, Reports
from tests.core_support import Queue, accepted, checked_queue, refused

queue = checked_queue


@pytest.mark.parametrize("delay", [0.0, 1.0])
def test_promise_9_a_cancelled_queued_job_is_never_dispatched(queue: Queue, delay: float) -> None:
    cancelled, other = queue.submit_many(2, delay=delay)
    assert queue.cancel(cancelled) is None
    queue.join("w", slots=5)
    queue.wait(2, beating=["w"])
    queue.settle()
    assert queue.held("w") == [other]
    assert queue.status(cancelled) is Status.CANCELLED
    assert [event.job_id for event in queue.happened(JobLeased)] == [other]  # type: ignore[attr-defined] # leases have one


def test_promise_9_a_cancelled_requeued_job_is_never_dispatched(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.release(job_id)
    queue.cancel(job_id)
    queue.settle()
    assert queue.held("w") == []


def test_promise_9_a_running_job_is_cancelled_and_its_lease_void_at_once(queue: Queue) -> None:
    job_id = queue.submit(client="c", client_seq=2)
    queue.join("w")
    queue.settle()
    lease = queue.lease(job_id)
    assert queue.cancel(job_id) is None
    assert queue.status(job_id) is Status.CANCELLED
    assert queue.held("w") == []
    assert queue.report("w", Report(job_id, lease, result="1")) == [Reason.CANCELLED]
    queue.settle()
    [event] = queue.happened(JobCancelled)
    assert isinstance(event, JobCancelled)
    assert (event.lease, event.worker, event.client, event.client_seq) == (lease, "w", "c", 2)


def test_promise_9_the_worker_hears_of_it_with_the_answer_to_its_next_report(queue: Queue) -> None:
    cancelled, other = queue.submit_many(2)
    queue.join("w", slots=2)
    queue.settle()
    lease = queue.lease(cancelled)
    queue.cancel(cancelled)
    report = Report(other, queue.lease(other), result="1")
    outcomes, voided = queue.ledger.report(Reports("w", "i1", (report,)), queue.now)
    assert (outcomes, voided) == ([None], (lease,))


def test_the_worker_of_a_cancelled_job_that_is_lost_is_not_charged_for_it(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.cancel(job_id)
    queue.wait(10.25)
    assert (queue.status(job_id), queue.job(job_id).attempts) == (Status.CANCELLED, 0)


def test_promise_11_cancelling_twice_does_no_harm(queue: Queue) -> None:
    job_id = queue.submit()
    queue.cancel(job_id)
    assert queue.cancel(job_id) is None
    queue.settle()
    assert queue.cancel(job_id) is None
    queue.settle()
    assert len(queue.happened(JobCancelled)) == 1


def test_a_job_that_has_ended_is_not_cancelled(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.finish(job_id)
    assert refused(queue.cancel(job_id)) is Reason.ALREADY_ENDED
    queue.settle()
    assert refused(queue.cancel(job_id)) is Reason.ALREADY_ENDED
    assert queue.status(job_id) is Status.COMPLETED


@pytest.mark.parametrize("job_id", ["", "x", "ledger-0000000099", "x" * 10_000])
def test_an_unknown_job_is_neither_cancelled_nor_tried_again(queue: Queue, job_id: str) -> None:
    assert refused(queue.cancel(job_id)) is Reason.UNKNOWN_JOB
    assert refused(queue.retry(job_id)) is Reason.UNKNOWN_JOB


# Trying again


def test_a_retry_is_a_new_job_that_names_the_old_one(queue: Queue) -> None:
    old = queue.submit("7", priority=3, max_attempts=2, timeout=9.0, key="k", client="c")
    queue.cancel(old)
    queue.settle()
    new = accepted(queue.retry(old)).job_id
    assert new != old
    job = queue.job(new)
    assert (job.status, job.retry_of, job.key, job.client) == (Status.QUEUED, old, "", "")
    assert (job.payload, job.priority, job.max_attempts, job.timeout) == ("7", 3, 2, 9.0)
    assert queue.status(old) is Status.CANCELLED, "terminal is terminal"


def test_a_job_that_has_not_ended_is_not_tried_again(queue: Queue) -> None:
    job_id = queue.submit()
    assert refused(queue.retry(job_id)) is Reason.NOT_ENDED
    queue.join("w")
    queue.settle()
    assert refused(queue.retry(job_id)) is Reason.NOT_ENDED


def test_a_retry_that_is_repeated_under_its_key_makes_one_job(queue: Queue) -> None:
    old = queue.submit()
    queue.cancel(old)
    new = accepted(queue.retry(old, "again")).job_id
    assert queue.retry(old, "again") == Accepted(new, duplicate=True)


def test_a_retry_under_the_key_of_the_job_itself_is_a_conflict(queue: Queue) -> None:
    """Otherwise it would answer with the ended job, as if that were the new one."""
    old = queue.submit(key="k")
    queue.cancel(old)
    assert refused(queue.retry(old, "k")) is Reason.KEY_CONFLICT


def test_the_key_of_a_retry_is_checked(queue: Queue) -> None:
    old = queue.submit()
    queue.cancel(old)
    assert refused(queue.retry(old, "k" * 201)) is Reason.INVALID
