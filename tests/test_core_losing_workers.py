"""What a lost worker held: who is charged, who is a suspect, and that poison stops (promise 5)."""

from nucleus.core.events import JobFailed, JobRequeued, WorkerLost
from nucleus.core.lifecycle import Status
from tests.core_support import Queue, checked_queue

queue = checked_queue


def lose(queue: Queue, name: str) -> None:
    """Worker ``name`` falls silent; all others keep beating."""
    others = [worker.name for worker in queue.ledger.roster.alive() if worker.name != name]
    queue.wait(10.25, beating=others)


def test_promise_4_what_a_lost_worker_held_goes_to_the_front_oldest_first(queue: Queue) -> None:
    held = queue.submit_many(3)
    queue.join("w", slots=3)
    queue.settle()
    never_dispatched = queue.submit_many(2)
    lose(queue, "w")
    queue.join("v", slots=9)
    queue.settle()
    assert queue.held("v") == held + never_dispatched
    reasons = [event.reason for event in queue.happened(JobRequeued, WorkerLost)]  # type: ignore[attr-defined] # both kinds have a reason
    assert reasons == ["silence"] + ["worker_lost"] * 3


def test_promise_5_only_what_can_have_started_is_charged(queue: Queue) -> None:
    ids = queue.submit_many(5)
    queue.join("w", slots=2, window=5)
    queue.settle()
    lose(queue, "w")
    assert [queue.job(job_id).attempts for job_id in ids] == [1, 1, 0, 0, 0]


def test_promise_5_the_oldest_unfinished_leases_are_charged(queue: Queue) -> None:
    ids = queue.submit_many(5)
    queue.join("w", slots=2, window=5)
    queue.settle()
    queue.finish(ids[0])
    queue.finish(ids[2])
    lose(queue, "w")
    assert [queue.job(job_id).attempts for job_id in ids] == [1, 1, 1, 1, 0]


def test_everything_that_was_held_becomes_a_suspect(queue: Queue) -> None:
    ids = queue.submit_many(3)
    queue.join("w", window=3)
    queue.settle()
    waiting = queue.submit()
    lose(queue, "w")
    assert [queue.job(job_id).suspect for job_id in [*ids, waiting]] == [True] * 3 + [False]


def test_promise_5_a_suspect_is_never_prefetched(queue: Queue) -> None:
    suspects = queue.submit_many(2)
    queue.join("w", window=2)
    queue.settle()
    lose(queue, "w")
    queue.join("v", window=5)
    queue.settle()
    assert queue.held("v") == suspects[:1]
    queue.finish(suspects[0])
    queue.settle()
    assert queue.held("v") == suspects[1:]


def test_a_suspect_waits_while_a_voided_lease_fills_the_slot(queue: Queue) -> None:
    suspect = queue.submit()
    queue.join("w")
    queue.settle()
    lose(queue, "w")
    running = queue.submit(priority=1)
    queue.join("v", window=5)
    queue.settle()
    lease = queue.lease(running)
    queue.cancel(running)
    queue.settle()
    assert queue.held("v") == []
    queue.beat("v", stopped=(lease,))
    queue.settle()
    assert queue.held("v") == [suspect]


def test_innocents_may_be_prefetched_behind_a_suspect(queue: Queue) -> None:
    suspect = queue.submit()
    queue.join("w")
    queue.settle()
    innocents = queue.submit_many(2)
    lose(queue, "w")
    queue.join("v", window=3)
    queue.settle()
    assert queue.held("v") == [suspect, *innocents]
    lose(queue, "v")
    assert [queue.job(job_id).attempts for job_id in [suspect, *innocents]] == [2, 0, 0]


def test_a_failed_attempt_clears_the_suspicion(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    lose(queue, "w")
    queue.join("v")
    queue.settle()
    queue.fail(job_id)
    assert not queue.job(job_id).suspect


def test_being_handed_back_does_not_clear_the_suspicion(queue: Queue) -> None:
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    lose(queue, "w")
    queue.join("v")
    queue.settle()
    queue.release(job_id)
    assert queue.job(job_id).suspect


def test_promise_5_poison_stops_after_max_attempts_and_spares_the_innocent(queue: Queue) -> None:
    """Whoever starts the poison dies at once; every worker prefetches nine more jobs."""
    before = queue.submit_many(4)
    poison = queue.submit("poison")
    after = queue.submit_many(15)
    for life in range(30):
        name = f"w{life}"
        queue.join(name, window=10)
        queue.settle()
        while (held := queue.held(name)) and held[0] != poison:
            queue.finish(held[0])
            queue.settle()
        if not held:
            break
        lose(queue, name)
    assert [queue.status(job_id) for job_id in before + after] == [Status.COMPLETED] * 19
    assert all(queue.job(job_id).attempts == 1 for job_id in before + after)
    job = queue.job(poison)
    assert (job.status, job.attempts) == (Status.FAILED, 3)
    assert job.error == "worker w2 was lost; attempt 3 was the last"
    [failed] = queue.happened(JobFailed)
    assert isinstance(failed, JobFailed)
    assert (failed.reason, failed.attempts) == ("worker_lost", 3)
    assert len(queue.happened(WorkerLost)) == 3


def test_a_job_with_one_attempt_fails_with_its_worker(queue: Queue) -> None:
    started, prefetched = queue.submit_many(2, max_attempts=1)
    queue.join("w", window=2)
    queue.settle()
    lose(queue, "w")
    assert queue.status(started) is Status.FAILED
    assert queue.status(prefetched) is Status.QUEUED


def test_failures_and_losses_count_together(queue: Queue) -> None:
    job_id = queue.submit(max_attempts=2)
    queue.join("w")
    queue.settle()
    queue.fail(job_id)
    queue.wait(1, beating=["w"])
    queue.settle()
    lose(queue, "w")
    assert queue.status(job_id) is Status.FAILED


def test_a_replaced_worker_charges_like_a_silent_one(queue: Queue) -> None:
    started, prefetched = queue.submit_many(2)
    queue.join("w", window=2)
    queue.settle()
    queue.join("w", incarnation="i2", window=0)
    assert [queue.job(job_id).attempts for job_id in (started, prefetched)] == [1, 0]
    assert queue.job(prefetched).suspect
