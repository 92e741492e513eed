"""Which job is next, and who gets it (promise 6)."""

import pytest

from nucleus.core.lifecycle import Status
from nucleus.core.ready import ReadyQueue
from tests.core_support import Queue, check_invariants, checked_queue

queue = checked_queue


def leased_one_by_one(queue: Queue, name: str = "w") -> list[str]:
    """Run everything that is ready on a worker with one slot; return the order."""
    order: list[str] = []
    queue.settle()
    while held := queue.held(name):
        order += held
        queue.finish(held[0])
        queue.settle()
    return order


def test_promise_6_first_in_first_out(queue: Queue) -> None:
    ids = queue.submit_many(5)
    queue.join("w")
    assert leased_one_by_one(queue) == ids


def test_promise_6_higher_priority_first_and_fifo_within_one(queue: Queue) -> None:
    low = queue.submit_many(2, priority=-1)
    middle = queue.submit_many(2)
    high = queue.submit_many(2, priority=1)
    queue.join("w")
    assert leased_one_by_one(queue) == high + middle + low


def test_promise_6_the_order_holds_across_the_types_of_one_worker(queue: Queue) -> None:
    ids = [queue.submit(job_type=job_type) for job_type in ("Echo", "Sleep", "Sleep", "Echo")]
    urgent = queue.submit(job_type="Sleep", priority=1)
    queue.join("w", job_types=("Sleep", "Echo"))
    assert leased_one_by_one(queue) == [urgent, *ids]


def test_promise_6_a_delayed_job_takes_its_turn_when_its_time_has_come(queue: Queue) -> None:
    late = queue.submit(delay=10.0)
    soon = queue.submit(delay=5.0)
    queue.join("w")
    queue.settle()
    assert queue.held("w") == []
    queue.wait(4.75, beating=["w"])
    queue.settle()
    assert queue.held("w") == []
    queue.wait(0.25, beating=["w"])
    queue.settle()
    assert queue.held("w") == [soon]
    queue.wait(5, beating=["w"])
    newcomer = queue.submit()
    queue.finish(soon)
    assert leased_one_by_one(queue) == [late, newcomer]


def test_promise_6_requeued_jobs_come_first_oldest_first(queue: Queue) -> None:
    first, second, third = (queue.submit(str(n)) for n in range(3))
    queue.join("a", slots=2)
    queue.join("b")
    queue.settle()
    assert (queue.held("a"), queue.held("b")) == ([first, third], [second])
    fourth = queue.submit()
    queue.release(third)
    queue.join("a", window=0)  # holds nothing: its other job goes back too
    queue.beat("b", leaving=True)
    queue.join("w")
    assert leased_one_by_one(queue) == [first, second, third, fourth]


def test_promise_6_priority_counts_more_than_being_requeued(queue: Queue) -> None:
    requeued = queue.submit()
    queue.join("a")
    queue.settle()
    queue.join("a", window=0)
    urgent = queue.submit(priority=1)
    queue.join("w")
    assert leased_one_by_one(queue) == [urgent, requeued]


def test_promise_6_a_failed_attempt_goes_to_the_tail_at_its_not_before(queue: Queue) -> None:
    failing, waiting = queue.submit_many(2)
    queue.join("w")
    queue.settle()
    queue.fail(failing)
    queue.settle()
    assert queue.held("w") == [waiting]
    job = queue.job(failing)
    assert (job.status, job.not_before) == (Status.QUEUED, queue.now + 1.0)
    before = queue.submit()
    queue.wait(1.25, beating=["w"])
    after = queue.submit()
    queue.finish(waiting)
    assert leased_one_by_one(queue) == [before, failing, after]


@pytest.mark.parametrize(
    ("attempt", "delay"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (99, 60.0)]
)
def test_the_wait_before_an_attempt_doubles_up_to_a_minute(attempt: int, delay: float) -> None:
    queue = Queue()
    job_id = queue.submit(max_attempts=100)
    queue.join("w")
    for _ in range(attempt - 1):
        queue.settle()
        queue.fail(job_id)
        queue.wait(60, beating=["w"])
    queue.settle()
    queue.fail(job_id)
    assert queue.job(job_id).not_before - queue.now == delay
    check_invariants(queue)


def test_a_job_that_failed_and_then_came_back_is_at_the_front(queue: Queue) -> None:
    """Only the latest return counts: released after a failure, it is first again."""
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.fail(job_id)
    queue.wait(1, beating=["w"])
    queue.settle()
    other = queue.submit()
    queue.release(job_id)
    assert leased_one_by_one(queue) == [job_id, other]


def test_a_job_goes_only_to_a_worker_that_offers_its_type(queue: Queue) -> None:
    sleep, echo = queue.submit(job_type="Sleep"), queue.submit()
    queue.join("w", slots=2, job_types=("Echo",))
    queue.settle()
    assert queue.held("w") == [echo]
    queue.join("s", job_types=("Sleep",))
    queue.settle()
    assert queue.held("s") == [sleep]


def test_free_slots_are_filled_before_anybody_is_sent_work_ahead(queue: Queue) -> None:
    queue.join("a", slots=1, window=10)
    queue.join("b", slots=1, window=10)
    queue.join("c", slots=2, window=10)
    queue.submit_many(4)
    queue.settle()
    assert [len(queue.held(name)) for name in "abc"] == [1, 1, 2]
    queue.submit_many(6)
    queue.settle()
    assert [len(queue.held(name)) for name in "abc"] == [3, 3, 4]


def test_many_cancelled_jobs_do_not_pile_up_in_the_queue(queue: Queue) -> None:
    kept = queue.submit_many(3)
    for number in range(1000):
        queue.cancel(queue.submit(delay=float(number % 2)))
        queue.settle()
    ready = queue.ledger._ready
    assert isinstance(ready, ReadyQueue)
    assert sum(map(len, (*ready._lines.values(), ready._delayed))) < 250
    queue.join("w")
    assert leased_one_by_one(queue) == kept


def test_the_age_of_the_queue_is_that_of_its_longest_waiting_job(queue: Queue) -> None:
    assert queue.ledger.oldest_queued_age(queue.now) == 0.0
    oldest = queue.submit()
    queue.jump(3)
    queue.submit(delay=100)
    queue.jump(2)
    assert queue.ledger.oldest_queued_age(queue.now) == 5.0
    queue.join("w")
    queue.settle()
    assert queue.ledger.oldest_queued_age(queue.now) == 0.0, "a delayed job does not wait yet"
    queue.release(oldest)
    assert queue.ledger.oldest_queued_age(queue.now) == 5.0
