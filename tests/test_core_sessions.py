"""Sessions, incarnations and credit (promises 7 and 11)."""

import pytest

from nucleus.core.events import JobRequeued, WorkerJoined, WorkerLost
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason
from nucleus.core.worker import MAX_WINDOW, BeatAnswer, Credit, Report, WorkerStatus
from tests.core_support import Queue, checked_queue, refused

queue = checked_queue


def test_a_worker_that_introduces_itself_is_listed_and_gets_work(queue: Queue) -> None:
    job_id = queue.submit()
    assert queue.join("w", slots=2) == ()
    queue.settle()
    [joined] = queue.happened(WorkerJoined)
    assert isinstance(joined, WorkerJoined)
    assert (joined.worker, joined.slots, joined.job_types) == ("w", 2, ("Echo",))
    assert queue.held("w") == [job_id]
    job = queue.job(job_id)
    assert (job.worker, job.incarnation, job.started_at) == ("w", "i1", queue.now)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "w\n"},
        {"name": "w" * 101},
        {"incarnation": "i" * 101},
        {"session": -1},
        {"slots": 0},
        {"slots": 1025},
        {"window": MAX_WINDOW + 1},
        {"job_types": ()},
        {"job_types": ("",)},
    ],
)
def test_an_introduction_that_makes_no_sense_is_refused(
    queue: Queue, wrong: dict[str, object]
) -> None:
    fields: dict[str, object] = {"name": "w", "slots": 1, "window": 1, **wrong}
    assert refused(queue.hello(**fields)) is Reason.INVALID  # type: ignore[arg-type] # on purpose
    assert list(queue.ledger.roster) == []


# Sessions


def test_what_was_never_received_goes_back_uncharged(queue: Queue) -> None:
    received, undelivered = queue.submit_many(2)
    queue.join("w", slots=2)
    queue.settle()
    assert queue.join("w", slots=2, window=0, leases=[queue.lease(received)]) == ()
    queue.settle()
    [event] = queue.happened(JobRequeued)
    assert isinstance(event, JobRequeued)
    assert (event.job_id, event.reason, event.attempts) == (undelivered, "undelivered", 0)
    assert (event.front, event.suspect) == (True, False)
    assert queue.held("w") == [received]
    assert queue.status(undelivered) is Status.QUEUED


@pytest.mark.parametrize("session", [1, 2])
def test_promise_11_a_session_that_was_overtaken_is_refused(queue: Queue, session: int) -> None:
    queue.join("w", session=2)
    job_id = queue.submit()
    queue.settle()
    assert refused(queue.hello("w", session=session)) is Reason.OLD_SESSION
    assert queue.held("w") == [job_id]


def test_a_new_session_of_the_same_incarnation_joins_only_once(queue: Queue) -> None:
    queue.join("w")
    queue.join("w")
    queue.settle()
    assert len(queue.happened(WorkerJoined)) == 1


def test_a_closed_stream_is_not_death(queue: Queue) -> None:
    running, waiting = queue.submit_many(2)
    queue.join("w", window=2)
    queue.settle()
    queue.crash_stream("w")
    queue.finish(running)
    more = queue.submit()
    queue.settle()
    assert queue.worker("w").status is WorkerStatus.ALIVE
    assert queue.held("w") == [waiting]
    assert queue.status(more) is Status.QUEUED
    assert queue.beat("w") == BeatAnswer(open_again=True, voided=())


def test_the_end_of_an_older_stream_does_not_close_the_newer(queue: Queue) -> None:
    queue.join("w")
    queue.join("w")
    queue.ledger.close_session("w", "i1", 1)
    queue.ledger.close_session("nobody", "i1", 1)
    queue.submit()
    queue.settle()
    assert len(queue.held("w")) == 1


def test_leases_that_are_not_the_workers_are_void(queue: Queue) -> None:
    mine, others = queue.submit_many(2)
    queue.join("w")
    queue.join("v")
    queue.settle()
    presented = [queue.lease(mine), queue.lease(others), 12345]
    assert queue.join("w", slots=5, leases=presented) == tuple(presented[1:])
    assert (queue.held("w"), queue.held("v")) == ([mine], [others])


# Incarnations


def test_promise_4_a_newer_incarnation_makes_the_older_lost_at_once(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.join("w", incarnation="i2", window=0)
    queue.settle()
    [lost] = queue.happened(WorkerLost)
    assert isinstance(lost, WorkerLost)
    assert (lost.incarnation, lost.reason) == ("i1", "replaced")
    [requeued] = queue.happened(JobRequeued)
    assert isinstance(requeued, JobRequeued)
    assert (requeued.job_id, requeued.reason, requeued.attempts) == (job_id, "replaced", 1)


def test_a_replaced_incarnation_is_refused_whatever_it_says(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    lease = queue.lease(job_id)
    queue.join("w", incarnation="i2", window=0)
    queue.settle()
    queue.restart()
    assert refused(queue.hello("w", incarnation="i1", session=9)) is Reason.REPLACED
    assert refused(queue.beat("w", incarnation="i1")) is Reason.REPLACED
    late = Report(job_id, lease, result="1")
    assert queue.report("w", late, incarnation="i1") == [Reason.STALE_LEASE]


def test_an_incarnation_after_a_lost_one_loses_nobody_twice(queue: Queue) -> None:
    queue.join("w")
    queue.wait(10.25)
    assert queue.worker("w").status is WorkerStatus.LOST
    queue.join("w", incarnation="i2")
    queue.settle()
    assert len(queue.happened(WorkerLost)) == 1
    assert refused(queue.hello("w", incarnation="i1", session=9)) is Reason.REPLACED


# Credit


def test_promise_7_a_worker_never_holds_more_than_its_window(queue: Queue) -> None:
    ids = queue.submit_many(5)
    queue.join("w", slots=1, window=3)
    queue.settle()
    assert queue.held("w") == ids[:3]
    queue.finish(ids[0])
    queue.settle()
    assert queue.held("w") == ids[1:4]


def test_promise_7_a_window_of_nothing_gets_nothing(queue: Queue) -> None:
    queue.submit()
    queue.join("w", slots=1, window=0)
    queue.settle()
    assert queue.held("w") == []


def test_promise_11_the_latest_number_wins_however_credit_is_reordered(queue: Queue) -> None:
    queue.join("w", slots=1)
    old, new = queue.credit(5), queue.credit(2)
    queue.beat("w", credit=new)
    queue.beat("w", credit=old)
    queue.report("w", credit=old)
    queue.submit_many(9)
    queue.settle()
    assert len(queue.held("w")) == 2


def test_credit_may_come_with_a_report(queue: Queue) -> None:
    queue.join("w", window=0)
    queue.report("w", credit=queue.credit(1))
    queue.submit()
    queue.settle()
    assert len(queue.held("w")) == 1


def test_a_smaller_window_takes_nothing_back(queue: Queue) -> None:
    ids = queue.submit_many(4)
    queue.join("w", window=3)
    queue.settle()
    queue.beat("w", credit=queue.credit(1))
    queue.finish(ids[0])
    queue.settle()
    assert queue.held("w") == ids[1:3]


def test_the_credit_of_a_newer_incarnation_starts_anew(queue: Queue) -> None:
    queue.join("w", window=0)
    queue.beat("w", credit=Credit(0, 1_000_000))
    queue.join("w", incarnation="i2", window=1)
    queue.submit()
    queue.settle()
    assert len(queue.held("w")) == 1


def test_promise_7_a_voided_lease_counts_until_the_worker_says_it_stopped(queue: Queue) -> None:
    running, waiting = queue.submit_many(2)
    queue.join("w")
    queue.settle()
    lease = queue.lease(running)
    queue.cancel(running)
    queue.settle()
    assert queue.held("w") == []
    assert queue.beat("w") == BeatAnswer(open_again=False, voided=(lease,))
    queue.settle()
    assert queue.held("w") == []
    assert queue.beat("w", stopped=(lease,)) == BeatAnswer(open_again=False, voided=())
    queue.settle()
    assert queue.held("w") == [waiting]


def test_a_voided_lease_that_is_reported_counts_no_longer(queue: Queue) -> None:
    running, waiting = queue.submit_many(2)
    queue.join("w")
    queue.settle()
    late = Report(running, queue.lease(running), result="1")
    queue.cancel(running)
    assert queue.report("w", late) == [Reason.CANCELLED]
    queue.settle()
    assert queue.held("w") == [waiting]


def test_a_voided_lease_that_is_presented_again_still_counts(queue: Queue) -> None:
    queue.join("w")
    assert queue.join("w", leases=[77]) == (77,)
    queue.submit()
    queue.settle()
    assert queue.held("w") == []
    queue.report("w", stopped=(77,))
    queue.settle()
    assert len(queue.held("w")) == 1


def test_a_voided_lease_that_is_not_presented_counts_no_longer(queue: Queue) -> None:
    running, waiting = queue.submit_many(2)
    queue.join("w")
    queue.settle()
    queue.cancel(running)
    queue.join("w")
    queue.settle()
    assert queue.held("w") == [waiting]
