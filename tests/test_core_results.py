"""Results: one is accepted, a repeat is recognised, everything else is refused (promises 2, 11)."""

from typing import Any

import pytest

from nucleus.core.events import JobCompleted, JobFailed, JobRequeued, ResultRejected
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason
from nucleus.core.worker import Report
from tests.core_support import Queue, check_invariants, checked_queue

queue = checked_queue


def running(queue: Queue, name: str = "w", **fields: Any) -> str:
    """A job that runs on a worker of its own."""
    job_id = queue.submit(**fields)
    queue.join(name)
    queue.settle()
    assert queue.held(name) == [job_id]
    return job_id


def test_promise_2_the_result_under_the_current_lease_is_accepted(queue: Queue) -> None:
    job_id = running(queue, client="c", client_seq=4)
    lease = queue.lease(job_id)
    report = Report(job_id, lease, result="55", output="hi", run_seconds=0.5)
    assert queue.report("w", report) == [None]
    queue.settle()
    job = queue.job(job_id)
    assert (job.status, job.result, job.output, job.attempts) == (
        Status.COMPLETED,
        "55",
        "hi",
        1,
    )
    [event] = queue.happened(JobCompleted)
    assert isinstance(event, JobCompleted)
    assert (event.lease, event.worker, event.run_seconds) == (lease, "w", 0.5)
    assert (event.client, event.client_seq) == ("c", 4)


@pytest.mark.parametrize("settled", [False, True])
def test_promise_11_a_repeat_is_accepted_without_an_event(queue: Queue, settled: bool) -> None:
    job_id = running(queue)
    report = queue.finish(job_id)
    if settled:
        queue.settle()
    assert queue.report("w", report, report) == [None, None]
    queue.settle()
    assert len(queue.happened(JobCompleted)) == 1
    assert queue.ledger.totals.rejected == {}


@pytest.mark.parametrize("how", ["fail", "release"])
def test_promise_11_a_repeat_is_recognised_while_the_job_runs_again(queue: Queue, how: str) -> None:
    job_id = running(queue)
    report = queue.fail(job_id) if how == "fail" else queue.release(job_id)
    queue.wait(1, beating=["w"])
    queue.settle()
    lease = queue.lease(job_id)
    assert queue.report("w", report) == [None]
    queue.settle()
    assert queue.lease(job_id) == lease
    assert len(queue.happened(JobRequeued)) == 1


def test_promise_2_a_late_result_from_a_lost_worker_is_refused_and_counted(queue: Queue) -> None:
    job_id = running(queue)
    late = Report(job_id, queue.lease(job_id), result='"late"')
    queue.wait(10.25)
    assert queue.report("w", late) == [Reason.STALE_LEASE]
    queue.join("v")
    queue.settle()
    assert queue.report("w", late) == [Reason.STALE_LEASE]
    queue.finish(job_id)
    assert queue.report("w", late) == [Reason.STALE_LEASE]
    queue.settle()
    assert queue.report("w", late) == [Reason.STALE_LEASE]
    assert queue.job(job_id).result == '"done"'
    assert queue.ledger.totals.rejected == {"stale_lease": 4}
    queue.settle()
    [first, *_] = queue.happened(ResultRejected)
    assert isinstance(first, ResultRejected)
    assert (first.job_id, first.lease, first.worker) == (job_id, late.lease, "w")


def test_promise_2_a_late_result_is_refused_when_the_same_worker_runs_the_job_again(
    queue: Queue,
) -> None:
    """The lease is compared, not the worker."""
    job_id = running(queue)
    late = Report(job_id, queue.lease(job_id), result='"late"')
    queue.join("w")  # it says that it holds nothing
    queue.settle()
    assert queue.held("w") == [job_id]
    assert queue.report("w", late) == [Reason.STALE_LEASE]
    assert queue.status(job_id) is Status.RUNNING


def test_promise_2_a_late_result_of_a_poison_that_failed_is_refused(queue: Queue) -> None:
    job_id = running(queue, max_attempts=1)
    late = Report(job_id, queue.lease(job_id), result="1")
    queue.wait(10.25)
    assert queue.status(job_id) is Status.FAILED
    assert queue.report("w", late) == [Reason.STALE_LEASE]


def test_promise_2_the_result_of_a_cancelled_job_is_refused(queue: Queue) -> None:
    job_id = running(queue)
    late = Report(job_id, queue.lease(job_id), result="1")
    queue.cancel(job_id)
    assert queue.report("w", late) == [Reason.CANCELLED]
    assert queue.ledger.totals.rejected == {"cancelled": 1}
    assert queue.job(job_id).result == ""


@pytest.mark.parametrize("who", [("v", "i1"), ("w", "i2"), ("nobody", "i1")])
def test_promise_2_the_result_of_another_worker_is_refused(
    queue: Queue, who: tuple[str, str]
) -> None:
    job_id = running(queue)
    queue.join("v", window=0)
    name, incarnation = who
    report = Report(job_id, queue.lease(job_id), result="1")
    assert queue.report(name, report, incarnation=incarnation) == [Reason.WRONG_WORKER]
    assert queue.status(job_id) is Status.RUNNING
    assert queue.held("w") == [job_id]


def test_a_report_for_a_job_that_was_never_leased_is_refused(queue: Queue) -> None:
    queue.join("w", window=0)
    job_id = queue.submit()
    wrong = [Report(job_id, lease, result="1") for lease in (0, 1, 99)]
    assert queue.report("w", *wrong) == [Reason.STALE_LEASE] * 3
    assert queue.status(job_id) is Status.QUEUED


def test_a_report_for_an_unknown_job_is_refused(queue: Queue) -> None:
    queue.join("w")
    assert queue.report("w", Report("x", 1, result="1")) == [Reason.UNKNOWN_JOB]
    assert queue.ledger.totals.rejected == {"unknown_job": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"result": "not JSON"},
        {"result": "[" * 100_000},
        {"result": '"' + "x" * 1_048_576 + '"'},
    ],
)
def test_a_report_that_makes_no_sense_changes_nothing(queue: Queue, fields: dict[str, str]) -> None:
    job_id = running(queue)
    report = Report(job_id, queue.lease(job_id), **fields)  # type: ignore[arg-type] # text only
    assert queue.report("w", report) == [Reason.INVALID]
    check_invariants(queue)
    assert queue.held("w") == [job_id]


def test_a_lease_that_is_reported_for_another_job_is_still_held(queue: Queue) -> None:
    first, second = queue.submit_many(2)
    queue.join("w", slots=2)
    queue.settle()
    crossed = Report(second, queue.lease(first), result="1")
    unknown = Report("x", queue.lease(second), result="1")
    assert queue.report("w", crossed, unknown) == [Reason.STALE_LEASE, Reason.UNKNOWN_JOB]
    check_invariants(queue)
    assert queue.held("w") == [first, second]


def test_one_refused_report_does_not_stop_the_others(queue: Queue) -> None:
    first, second = queue.submit_many(2)
    queue.join("w", slots=2)
    queue.settle()
    reports = [
        Report(first, queue.lease(first), result="1"),
        Report("x", 1, result="1"),
        Report(second, queue.lease(second), result="2"),
    ]
    assert queue.report("w", *reports) == [None, Reason.UNKNOWN_JOB, None]
    assert [queue.job(job_id).result for job_id in (first, second)] == ["1", "2"]


def test_a_failure_is_tried_again_until_no_attempt_is_left(queue: Queue) -> None:
    job_id = running(queue)
    for attempt in (1, 2):
        queue.fail(job_id, f"boom {attempt}")
        job = queue.job(job_id)
        assert (job.status, job.attempts, job.error) == (
            Status.QUEUED,
            attempt,
            f"boom {attempt}",
        )
        queue.wait(2, beating=["w"])
        queue.settle()
    report = queue.fail(job_id, "boom 3")
    queue.settle()
    job = queue.job(job_id)
    assert (job.status, job.attempts, job.error) == (Status.FAILED, 3, "boom 3")
    [failed] = queue.happened(JobFailed)
    assert isinstance(failed, JobFailed)
    assert failed.reason == "failed"
    assert queue.report("w", report) == [None]


def test_an_error_without_words_is_an_error(queue: Queue) -> None:
    job_id = running(queue)
    queue.fail(job_id, "")
    assert queue.job(job_id).error == "failed"


def test_success_after_a_failure_leaves_no_error_behind(queue: Queue) -> None:
    job_id = running(queue)
    queue.fail(job_id)
    queue.wait(1, beating=["w"])
    queue.settle()
    queue.finish(job_id)
    job = queue.job(job_id)
    assert (job.error, job.attempts, job.result) == ("", 2, '"done"')


def test_a_job_that_is_handed_back_is_not_charged(queue: Queue) -> None:
    job_id = running(queue)
    queue.release(job_id)
    queue.settle()
    [event] = queue.happened(JobRequeued)
    assert isinstance(event, JobRequeued)
    assert (event.reason, event.attempts, event.front) == ("released", 0, True)


def test_results_are_taken_without_an_open_session(queue: Queue) -> None:
    """A worker sends its finished results before it opens a session again."""
    job_id = running(queue)
    queue.crash_stream("w")
    queue.finish(job_id)
    assert queue.status(job_id) is Status.COMPLETED
