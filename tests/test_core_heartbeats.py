"""Heartbeats, silence, and a master that was frozen itself (promise 4)."""

from nucleus.core.events import WorkerJoined, WorkerLeft, WorkerLost
from nucleus.core.ledger import TICK
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason
from nucleus.core.worker import BeatAnswer, Report, WorkerStatus
from tests.core_support import Queue, checked_queue

queue = checked_queue


def is_alive(queue: Queue, name: str = "w") -> bool:
    return queue.worker(name).status is WorkerStatus.ALIVE


def test_promise_4_ten_seconds_of_silence_are_not_yet_too_long(queue: Queue) -> None:
    queue.join("w")
    queue.wait(10.0)
    assert queue.ledger.silence(queue.worker("w"), queue.now) == 10.0
    assert is_alive(queue)


def test_promise_4_more_than_ten_seconds_of_silence_are(queue: Queue) -> None:
    queue.join("w")
    queue.wait(10.0)
    queue.clock.advance(0.001)
    queue.tick()
    queue.settle()
    [lost] = queue.happened(WorkerLost)
    assert isinstance(lost, WorkerLost)
    assert (lost.worker, lost.reason, lost.at) == ("w", "silence", queue.now)


def test_promise_4_heartbeats_ten_seconds_apart_keep_a_worker_alive(queue: Queue) -> None:
    queue.join("w")
    for _ in range(20):
        queue.wait(10.0 - TICK)
        queue.wait(TICK, beating=["w"])
    assert is_alive(queue)


def test_promise_4_a_heartbeat_that_was_received_before_the_tick_counts(queue: Queue) -> None:
    queue.join("w")
    queue.wait(10.0)
    queue.clock.advance(1.0)
    queue.beat("w")
    queue.tick()
    assert is_alive(queue)


def test_opening_a_session_counts_as_a_heartbeat(queue: Queue) -> None:
    queue.join("w")
    queue.wait(9)
    queue.join("w")
    queue.wait(9)
    assert is_alive(queue)


def test_a_report_does_not_count_as_a_heartbeat(queue: Queue) -> None:
    queue.join("w")
    queue.wait(9)
    queue.report("w", credit=queue.credit(1))
    queue.wait(2)
    assert not is_alive(queue)


def test_promise_4_a_frozen_master_gives_everybody_a_fresh_allowance(queue: Queue) -> None:
    queue.join("w")
    queue.wait(9)
    queue.jump(60)
    assert is_alive(queue)
    queue.wait(10)
    assert is_alive(queue)
    queue.wait(TICK)
    assert not is_alive(queue)


def test_two_seconds_between_ticks_are_not_frozen(queue: Queue) -> None:
    queue.join("w")
    queue.wait(9)
    queue.jump(2.0)
    assert not is_alive(queue)


def test_a_little_more_than_two_seconds_are(queue: Queue) -> None:
    queue.join("w")
    queue.wait(9)
    queue.jump(2.001)
    assert is_alive(queue)


def test_promise_4_a_heartbeat_never_revives_a_lost_worker(queue: Queue) -> None:
    queue.join("w")
    queue.wait(10.25)
    assert queue.beat("w", credit=queue.credit(5)) == BeatAnswer(open_again=True, voided=())
    queue.submit()
    queue.settle()
    assert not is_alive(queue)
    assert queue.held("w") == []


def test_a_lost_worker_comes_back_with_a_session_and_its_old_leases_are_void(
    queue: Queue,
) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    lease = queue.lease(job_id)
    queue.wait(10.25)
    assert queue.join("w", leases=[lease]) == (lease,)
    queue.settle()
    assert is_alive(queue)
    assert len(queue.happened(WorkerJoined)) == 2
    assert queue.held("w") == [], "the void lease still fills its window"
    queue.beat("w", stopped=(lease,))
    queue.settle()
    assert queue.held("w") == [job_id]


def test_an_unknown_worker_is_asked_to_open_a_session(queue: Queue) -> None:
    assert queue.beat("nobody") == BeatAnswer(open_again=True, voided=())
    assert list(queue.ledger.roster) == []


def test_an_unknown_worker_that_leaves_is_let_go(queue: Queue) -> None:
    assert queue.beat("nobody", leaving=True) == BeatAnswer(open_again=False, voided=())


def test_a_heartbeat_under_an_unknown_session_is_a_sign_of_life_all_the_same(
    queue: Queue,
) -> None:
    queue.join("w")
    queue.wait(9)
    assert queue.beat("w", session=7) == BeatAnswer(open_again=True, voided=())
    queue.wait(9)
    assert is_alive(queue)


def test_promise_9_a_worker_hears_of_a_void_lease_until_it_says_that_it_stopped(
    queue: Queue,
) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    lease = queue.lease(job_id)
    queue.cancel(job_id)
    for _ in range(3):
        assert queue.beat("w") == BeatAnswer(open_again=False, voided=(lease,))
    queue.beat("w", stopped=(lease,))
    assert queue.beat("w") == BeatAnswer(open_again=False, voided=())


def test_heartbeats_are_watched_but_never_stored(queue: Queue) -> None:
    queue.join("w")
    queue.settle()
    queue.beat("w")
    batch = queue.begin()
    assert batch.empty
    [heartbeat] = batch.heartbeats
    assert (heartbeat.seq, heartbeat.worker, heartbeat.session) == (0, "w", 1)
    queue.commit(batch)
    assert heartbeat not in queue.history


def test_a_lost_worker_is_listed_for_five_minutes(queue: Queue) -> None:
    queue.join("w")
    queue.wait(300)
    assert not is_alive(queue)
    queue.wait(TICK)
    assert queue.ledger.roster.named("w") is None
    queue.settle()
    assert queue.disk.workers == {}


# Leaving


def test_what_a_leaving_worker_holds_goes_back_uncharged(queue: Queue) -> None:
    ids = queue.submit_many(3)
    queue.join("w", slots=2, window=3)
    queue.settle()
    assert queue.beat("w", leaving=True) == BeatAnswer(open_again=False, voided=())
    queue.settle()
    assert queue.happened(WorkerLost) == []
    assert len(queue.happened(WorkerLeft)) == 1
    assert queue.worker("w").status is WorkerStatus.LEFT
    jobs = [queue.job(job_id) for job_id in ids]
    assert [(job.status, job.attempts, job.suspect) for job in jobs] == [
        (Status.QUEUED, 0, False)
    ] * 3


def test_a_worker_that_left_is_not_lost_later(queue: Queue) -> None:
    queue.join("w")
    queue.beat("w", leaving=True)
    queue.wait(20)
    queue.settle()
    assert queue.happened(WorkerLost) == []


def test_a_worker_that_left_may_come_back(queue: Queue) -> None:
    queue.join("w")
    queue.beat("w", leaving=True)
    queue.join("w")
    queue.submit()
    queue.settle()
    assert len(queue.held("w")) == 1


def test_a_result_that_comes_after_its_worker_left_is_refused(queue: Queue) -> None:
    """It was not accepted, so it must not look like the repeat of one that was."""
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    late = Report(job_id, queue.lease(job_id), result="1")
    queue.beat("w", leaving=True)
    assert queue.report("w", late) == [Reason.STALE_LEASE]
