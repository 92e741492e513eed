"""What a new master knows: everything that was committed (promises 1 and 3)."""

import pytest

from nucleus.core.events import JobLeased, MasterStarted, WorkerLost
from nucleus.core.keys import IDLE, Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason
from nucleus.core.worker import BeatAnswer, Report, WorkerStatus
from tests.core_support import Queue, checked_queue, refused

queue = checked_queue


def test_promise_1_what_was_committed_is_there_after_a_crash(queue: Queue) -> None:
    kept = queue.submit("1", priority=2, key="k", delay=3.0)
    queue.settle()
    before = queue.job(kept).row()
    lost = queue.submit("2")
    queue.restart()
    assert queue.job(kept).row() == before
    queue.settle()
    assert queue.ledger.find(lost) is None or queue.job(lost).payload != "2"


def test_promise_1_jobs_are_done_in_the_same_order_after_a_restart(queue: Queue) -> None:
    ids = queue.submit_many(4)
    urgent = queue.submit(priority=1)
    queue.join("w", slots=2, window=3)
    queue.settle()
    held = queue.held("w")
    queue.release(held[2])
    queue.settle()
    queue.wait(1)
    later = queue.submit()
    queue.settle()
    queue.restart()
    queue.join("v", slots=9)
    queue.settle()
    assert held == [urgent, ids[0], ids[1]]
    assert queue.held("v") == [ids[2], ids[3], later]


def test_promise_3_leases_stay_valid_across_a_restart(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    report = Report(job_id, queue.lease(job_id), result="1")
    queue.restart()
    assert queue.held("w") == [job_id]
    assert queue.report("w", report) == [None]
    assert queue.status(job_id) is Status.COMPLETED


def test_promise_3_a_lease_that_is_presented_after_a_restart_is_kept(queue: Queue) -> None:
    ids = queue.submit_many(3)
    queue.join("w", slots=3)
    queue.settle()
    leases = [queue.lease(job_id) for job_id in ids]
    queue.restart()
    assert queue.join("w", slots=3, leases=leases) == ()
    queue.settle()
    assert queue.held("w") == ids
    assert len(queue.happened(JobLeased)) == 3


def test_promise_3_a_lease_is_never_used_twice(queue: Queue) -> None:
    for _ in range(4):
        queue.submit_many(2)
        queue.join("w", slots=3)
        queue.settle()
        queue.submit()
        queue.restart()
    queue.join("w", slots=9)
    queue.settle()
    leases = [event.seq for event in queue.happened(JobLeased)]
    assert leases == sorted(set(leases))
    assert queue.lease(queue.held("w")[-1]) == leases[-1]


def test_promise_3_holders_have_ten_seconds_from_when_the_master_serves(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.clock.advance(500)
    queue.restart()
    queue.wait(10.0)
    assert queue.held("w") == [job_id]
    queue.wait(0.25)
    queue.settle()
    assert queue.worker("w").status is WorkerStatus.LOST
    assert len(queue.happened(WorkerLost)) == 1
    assert queue.job(job_id).attempts == 1


def test_the_allowance_counts_from_serving_and_not_from_loading(queue: Queue) -> None:
    queue.join("w")
    queue.settle()
    queue.restart()
    queue.clock.advance(30)  # a long load
    queue.ledger.serve(queue.now)
    queue.tick()
    queue.wait(9.75)
    assert queue.worker("w").status is WorkerStatus.ALIVE


def test_after_a_restart_a_worker_is_asked_to_open_a_session(queue: Queue) -> None:
    queue.submit()
    queue.join("w")
    queue.settle()
    queue.restart()
    assert queue.beat("w") == BeatAnswer(open_again=True, voided=())
    queue.submit()
    queue.settle()
    assert len(queue.held("w")) == 1


def test_each_master_has_a_higher_epoch(queue: Queue) -> None:
    queue.settle()
    queue.restart()
    queue.settle()
    epochs = [event.epoch for event in queue.happened(MasterStarted)]  # type: ignore[attr-defined] # it has one
    assert epochs == [1, 2]
    assert queue.ledger.epoch == 2


def test_promise_5_attempts_and_suspects_survive_a_restart(queue: Queue) -> None:
    job_id = queue.submit()
    for life in range(2):
        queue.join("w", incarnation=f"i{life}")
        queue.settle()
        queue.restart()
        queue.wait(10.25)
        queue.settle()
        queue.restart()
        assert (queue.job(job_id).attempts, queue.job(job_id).suspect) == (life + 1, True)
    queue.join("w", incarnation="i9")
    queue.settle()
    queue.wait(10.25)
    assert queue.status(job_id) is Status.FAILED


def test_promise_5_the_oldest_leases_are_charged_also_after_a_restart(queue: Queue) -> None:
    second, first = queue.submit(), queue.submit(priority=1)
    third = queue.submit()
    queue.join("w", slots=2, window=3)
    queue.settle()
    assert queue.held("w") == [first, second, third]
    queue.restart()
    assert queue.held("w") == [first, second, third]
    queue.wait(10.25)
    assert [queue.job(job_id).attempts for job_id in (first, second, third)] == [1, 1, 0]


def test_promise_10_the_counters_survive_a_restart(queue: Queue) -> None:
    queue.join("w", slots=4)
    done, failing, cancelled, waiting = queue.submit_many(4)
    queue.settle()
    queue.finish(done)
    queue.fail(failing)
    queue.cancel(cancelled)
    queue.report("w", Report("x", 1, result="1"))
    queue.settle()
    totals, counts = queue.ledger.totals.copy(), queue.ledger.counts()
    queue.restart()
    assert queue.ledger.totals == totals
    assert queue.ledger.counts() == counts
    assert counts == {"QUEUED": 1, "RUNNING": 1, "COMPLETED": 1, "FAILED": 0, "CANCELLED": 1}
    assert totals.requeued == {"failed": 1}
    assert totals.rejected == {"unknown_job": 1}
    assert queue.status(waiting) is Status.RUNNING


def test_promise_11_a_repeat_is_recognised_after_a_restart(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    report = queue.finish(job_id)
    queue.settle()
    queue.restart()
    assert queue.report("w", report) == [None]
    assert queue.ledger.totals.rejected == {}


def test_a_cancelled_jobs_worker_hears_of_it_after_a_restart(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    lease = queue.lease(job_id)
    queue.cancel(job_id)
    queue.settle()
    queue.restart()
    assert queue.join("w", leases=[lease]) == (lease,)


def test_a_lost_worker_is_still_lost_after_a_restart(queue: Queue) -> None:
    queue.join("w")
    queue.wait(10.25)
    queue.settle()
    queue.restart()
    assert queue.worker("w").status is WorkerStatus.LOST
    queue.wait(10.25)
    queue.settle()
    assert len(queue.happened(WorkerLost)) == 1


@pytest.mark.parametrize("back", [1.0, 86_400.0])
def test_time_never_goes_back_when_the_clock_was_set_back(queue: Queue, back: float) -> None:
    first = queue.submit()
    queue.wait(5)
    delayed = queue.submit(delay=5.0)
    queue.settle()
    queue.restart(set_back=back)
    second = queue.submit()
    assert queue.job(second).submitted_at >= queue.job(delayed).submitted_at
    queue.join("w", slots=3)
    queue.settle()
    assert queue.held("w") == [first, second]
    queue.wait(5, beating=["w"])
    queue.settle()
    assert queue.held("w") == [first, second, delayed]
    queue.wait(10.25)
    assert queue.held("w") == []


def test_a_clock_that_stumbles_while_the_master_lives_does_no_harm(queue: Queue) -> None:
    queue.ledger.tick(queue.now + 1)
    queue.submit()
    queue.ledger.tick(queue.now)
    queue.settle()
    assert [event.at for event in queue.history[1:]] == [queue.now + 1]


def test_an_idle_client_is_forgotten_across_restarts_too(queue: Queue) -> None:
    queue.join("w")
    job_id = queue.submit(client="c", client_seq=1)
    queue.settle()
    queue.finish(job_id)
    queue.jump(IDLE + 1)
    queue.submit()
    queue.settle()
    queue.restart()
    assert queue.submit(client="c", client_seq=1) != job_id


def test_promise_8_the_window_of_a_busy_client_survives_a_restart(queue: Queue) -> None:
    """The client was never idle for an hour, so all its numbers are remembered."""
    queue.join("w")
    first = queue.submit(client="c", client_seq=1)
    queue.settle()
    queue.finish(first)
    for seq in (2, 3):
        queue.jump(IDLE - 1)
        queue.submit(client="c", client_seq=seq)
        queue.settle()
    assert queue.offer(client="c", client_seq=1) == Accepted(first, duplicate=True)
    queue.restart()
    assert queue.offer(client="c", client_seq=1) == Accepted(first, duplicate=True)


def test_promise_8_the_number_of_a_live_job_survives_a_restart_however_old_it_is(
    queue: Queue,
) -> None:
    old = queue.submit(client="c", client_seq=1)
    for seq in (2, 3):
        queue.jump(IDLE - 1)
        queue.submit(client="c", client_seq=seq)
    queue.settle()
    queue.restart()
    assert queue.offer(client="c", client_seq=1) == Accepted(old, duplicate=True)


def test_a_worker_that_was_forgotten_and_came_back_at_once_is_kept(queue: Queue) -> None:
    """Its row is dropped and written in one commit; its leases need it."""
    queue.join("w")
    queue.settle()
    queue.wait(10.25)
    queue.settle()
    queue.jump(300)
    assert queue.ledger.roster.named("w") is None
    queue.join("w", session=9)
    job_id = queue.submit()
    queue.settle()
    queue.restart()
    assert queue.held("w") == [job_id]


def test_a_replaced_incarnation_is_refused_while_its_name_is_listed(queue: Queue) -> None:
    queue.join("w")
    queue.join("w", incarnation="i2")
    queue.wait(299)
    assert refused(queue.hello("w", incarnation="i1")) is Reason.REPLACED


def test_a_session_that_was_overtaken_is_still_refused_after_a_restart(queue: Queue) -> None:
    queue.join("w")
    queue.settle()
    queue.restart()
    assert refused(queue.hello("w", session=1)) is Reason.OLD_SESSION
