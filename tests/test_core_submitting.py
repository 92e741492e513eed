"""Submitting: what is refused, and which job a repeated submit means (promises 1, 8 and 10)."""

from typing import Any

import pytest

from nucleus.core.job import job_number
from nucleus.core.keys import IDLE, WINDOW, Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.limits import Limits
from nucleus.core.refusals import Reason, Refusal
from tests.core_support import Queue, check_invariants, checked_queue, refused

queue = checked_queue


def test_promise_1_an_acknowledged_job_is_queued_under_its_id(queue: Queue) -> None:
    job_id = queue.submit("30", priority=7, max_attempts=2, timeout=5.0, key="k", client="c")
    job = queue.job(job_id)
    assert (job.job_type, job.payload, job.priority) == ("Echo", "30", 7)
    assert (job.max_attempts, job.timeout, job.key, job.client) == (2, 5.0, "k", "c")
    assert (job.status, job.submitted_at, job.not_before) == (Status.QUEUED, queue.now, queue.now)


def test_ids_sort_in_the_order_of_submission(queue: Queue) -> None:
    ids = queue.submit_many(20)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", -1001),
        ("priority", 1001),
        ("delay", -0.5),
        ("delay", 31_536_001.0),
        ("delay", float("nan")),
        ("max_attempts", 0),
        ("max_attempts", 101),
        ("timeout", 0.0),
        ("timeout", 86_401.0),
        ("timeout", float("nan")),
        ("key", "k" * 201),
        ("job_type", "Nonsense"),
        ("payload", "bad"),
        ("client", "c" * 65),
    ],
)
def test_a_field_out_of_bounds_is_refused_by_name(queue: Queue, field: str, value: Any) -> None:
    fields: dict[str, Any] = {"payload": "1", field: value}
    outcome = queue.offer(**fields)
    assert refused(outcome) is Reason.INVALID
    assert isinstance(outcome, Refusal)
    name = {"key": "idempotency_key", "client": "client_id"}.get(field, field)
    assert outcome.message.startswith(f"{name}: ")
    assert len(outcome.message) < 250
    assert queue.ledger.totals.submitted == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", -1000),
        ("priority", 1000),
        ("delay", 31_536_000.0),
        ("max_attempts", 1),
        ("max_attempts", 100),
        ("timeout", 86_400.0),
        ("key", "k" * 200),
        ("client", "c" * 64),
    ],
)
def test_a_field_at_its_bound_is_taken(queue: Queue, field: str, value: Any) -> None:
    queue.submit(**{field: value})


def test_an_unknown_type_is_refused_with_the_list_of_known_ones(queue: Queue) -> None:
    outcome = queue.offer(job_type="Nonsense")
    assert isinstance(outcome, Refusal)
    assert "Echo, Sleep" in outcome.message


def test_a_type_that_a_worker_has_offered_is_known_even_after_a_restart(queue: Queue) -> None:
    queue.join("w", job_types=("Collatz",))
    queue.submit(job_type="Collatz")
    queue.settle()
    queue.restart()
    queue.submit(job_type="Collatz")


def test_a_client_that_numbers_its_jobs_must_name_itself(queue: Queue) -> None:
    assert refused(queue.offer(client_seq=1)) is Reason.INVALID


def test_a_full_queue_refuses_new_jobs_but_recognises_old_ones() -> None:
    queue = Queue(Limits(max_queued=2))
    first = queue.submit(key="k")
    queue.submit()
    assert refused(queue.offer()) is Reason.QUEUE_FULL
    assert queue.offer(key="k") == Accepted(first, duplicate=True)
    check_invariants(queue)


LONG_PAYLOAD = '"ten chars"'  # eleven with its quotes, of which two are too many below


def stuffed_queue() -> tuple[Queue, str]:
    """A queue that is full by the size of its payloads, and one of its two jobs."""
    queue = Queue(Limits(max_queued_size=20))
    queue.submit("1", delay=3600)
    job_id, _ = (queue.submit(LONG_PAYLOAD) for _ in range(2))
    return queue, job_id


def is_full(queue: Queue) -> bool:
    return isinstance(queue.offer(), Refusal)


def test_the_payloads_of_all_that_waits_are_limited() -> None:
    queue, _ = stuffed_queue()
    assert queue.offer() == Refusal(
        Reason.QUEUE_FULL,
        "queue: 3 jobs wait, with 23 characters of payload; at most 20 characters of payload",
    )
    queue.settle()
    queue.restart()
    assert is_full(queue)
    check_invariants(queue)


def test_what_no_longer_waits_makes_room_for_other_payloads() -> None:
    queue, job_id = stuffed_queue()
    queue.cancel(job_id)
    assert not is_full(queue)
    queue, job_id = stuffed_queue()
    queue.join("w")
    queue.settle()
    assert queue.status(job_id) is Status.RUNNING
    assert not is_full(queue)


def test_the_payloads_of_what_comes_back_count_again() -> None:
    queue, job_id = stuffed_queue()
    queue.join("w", slots=2)
    queue.settle()
    queue.wait(11)
    assert queue.status(job_id) is Status.QUEUED
    assert is_full(queue)


def test_without_a_key_a_repeat_makes_a_second_job(queue: Queue) -> None:
    assert queue.submit() != queue.submit()


# Keys that a user gives


def test_promise_8_the_same_key_gives_the_same_job_in_every_status(queue: Queue) -> None:
    job_id = queue.submit(key="k")
    repeat = Accepted(job_id, duplicate=True)
    assert queue.offer(key="k") == repeat
    queue.join("w")
    queue.settle()
    assert queue.offer(key="k") == repeat
    queue.finish(job_id)
    assert queue.offer(key="k") == repeat
    queue.settle()  # the job has left memory; the archive knows its key now
    assert queue.offer(key="k") == repeat
    queue.restart()
    assert queue.offer(key="k") == repeat
    assert queue.ledger.totals.submitted == 1


def test_promise_8_the_key_of_a_queued_job_survives_a_restart(queue: Queue) -> None:
    job_id = queue.submit(key="k")
    queue.settle()
    queue.restart()
    assert queue.offer(key="k") == Accepted(job_id, duplicate=True)


def test_promise_8_a_number_that_a_users_key_gave_a_job_keeps_it_when_the_key_is_free() -> None:
    """A repeat may be so late that the job was trimmed meanwhile, and its key with it."""
    queue = Queue()
    queue.join("w")
    job_id = queue.submit(key="k")
    repeat = Accepted(job_id, duplicate=True)
    queue.settle()
    queue.finish(job_id)
    queue.settle()
    assert queue.offer(key="k", client="c", client_seq=1) == repeat
    queue.settle()
    del queue.disk.rows[job_number(job_id)], queue.disk.keys["k"]
    for _ in range(2):
        assert queue.offer(key="k", client="c", client_seq=1) == repeat
        queue.restart()
    assert queue.submit(key="k", client="c", client_seq=2) != job_id


def test_promise_8_a_number_whose_key_was_in_conflict_is_not_that_jobs() -> None:
    """Nor is it when the answer was lost, and its repeat comes once that job was trimmed."""
    queue = Queue()
    queue.join("w")
    other = queue.submit("1", key="k")
    queue.settle()
    queue.finish(other)
    queue.settle()
    asked: dict[str, Any] = {"key": "k", "client": "c", "client_seq": 1}
    assert refused(queue.offer("2", **asked)) is Reason.KEY_CONFLICT
    queue.settle()
    del queue.disk.rows[job_number(other)], queue.disk.keys["k"]
    mine = queue.submit("2", **asked)
    assert queue.job(mine).payload == "2"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payload", "2"),
        ("job_type", "Sleep"),
        ("priority", 1),
        ("max_attempts", 4),
        ("timeout", 1.0),
    ],
)
def test_promise_8_the_same_key_with_a_different_job_is_a_conflict(
    queue: Queue, field: str, value: Any
) -> None:
    queue.submit(key="k")
    assert refused(queue.offer(**{"key": "k", field: value})) is Reason.KEY_CONFLICT


def test_a_key_conflict_is_noticed_when_the_job_has_left_memory(queue: Queue) -> None:
    queue.join("w")
    job_id = queue.submit(key="k")
    queue.settle()
    queue.finish(job_id)
    queue.settle()
    assert refused(queue.offer("2", key="k")) is Reason.KEY_CONFLICT


def test_a_delay_is_not_part_of_what_a_key_compares(queue: Queue) -> None:
    job_id = queue.submit(key="k", delay=5.0)
    assert queue.offer(key="k", delay=1.0) == Accepted(job_id, duplicate=True)


# Keys that a client makes by itself


def test_promise_8_a_clients_number_gives_the_same_job(queue: Queue) -> None:
    job_id = queue.submit(client="c", client_seq=1)
    repeat = Accepted(job_id, duplicate=True)
    assert queue.offer(client="c", client_seq=1) == repeat
    queue.settle()
    queue.restart()
    assert queue.offer(client="c", client_seq=1) == repeat


def test_promise_8_a_clients_number_holds_after_its_job_ended_and_the_master_restarted(
    queue: Queue,
) -> None:
    queue.join("w")
    job_id = queue.submit(client="c", client_seq=1)
    queue.settle()
    queue.finish(job_id)
    queue.settle()
    queue.restart()
    assert queue.offer(client="c", client_seq=1) == Accepted(job_id, duplicate=True)


def test_each_client_has_numbers_of_its_own(queue: Queue) -> None:
    first = queue.submit(client="a", client_seq=1)
    assert queue.submit(client="b", client_seq=1) != first


def test_a_clients_number_with_a_different_job_is_a_conflict(queue: Queue) -> None:
    queue.submit("1", client="c", client_seq=1)
    outcome = queue.offer("2", client="c", client_seq=1)
    assert refused(outcome) is Reason.KEY_CONFLICT
    assert isinstance(outcome, Refusal)
    assert "client_seq: 1" in outcome.message


def test_numbers_may_arrive_out_of_order(queue: Queue) -> None:
    ids = {seq: queue.submit(client="c", client_seq=seq) for seq in (3, 1, 2)}
    for seq, job_id in ids.items():
        assert queue.offer(client="c", client_seq=seq) == Accepted(job_id, duplicate=True)


def test_the_window_of_a_client_is_4096_numbers() -> None:
    queue = Queue()
    first, second, *_ = [queue.submit(client="c", client_seq=seq + 1) for seq in range(WINDOW)]
    assert queue.offer(client="c", client_seq=1) == Accepted(first, duplicate=True)
    queue.submit(client="c", client_seq=WINDOW + 1)
    assert refused(queue.offer(client="c", client_seq=1)) is Reason.KEY_EXPIRED
    assert queue.offer(client="c", client_seq=2) == Accepted(second, duplicate=True)


def test_a_number_that_jumps_ahead_leaves_the_ones_before_its_window_behind(queue: Queue) -> None:
    queue.submit(client="c", client_seq=1)
    queue.submit(client="c", client_seq=10 * WINDOW)
    assert refused(queue.offer(client="c", client_seq=1)) is Reason.KEY_EXPIRED
    assert refused(queue.offer(client="c", client_seq=9 * WINDOW)) is Reason.KEY_EXPIRED
    queue.submit(client="c", client_seq=9 * WINDOW + 1)


def test_an_expired_number_is_still_expired_after_a_restart(queue: Queue) -> None:
    """Its job is live, so a new ledger meets it again when it loads."""
    queue.submit(client="c", client_seq=1)
    queue.submit(client="c", client_seq=WINDOW + 1)
    queue.settle()
    queue.restart()
    assert refused(queue.offer(client="c", client_seq=1)) is Reason.KEY_EXPIRED


def test_a_client_is_forgotten_after_an_idle_hour_and_not_before(queue: Queue) -> None:
    job_id = queue.submit(client="c", client_seq=1)
    for _ in range(2):  # asking again is no idleness
        queue.jump(IDLE)
        assert queue.offer(client="c", client_seq=1) == Accepted(job_id, duplicate=True)
    queue.jump(IDLE + 0.25)
    assert queue.submit(client="c", client_seq=1) != job_id


def test_a_users_key_outlives_the_idle_hour(queue: Queue) -> None:
    job_id = queue.submit(key="k", client="c", client_seq=1)
    queue.jump(IDLE + 1)
    assert queue.offer(key="k", client="c", client_seq=1) == Accepted(job_id, duplicate=True)


def test_promise_10_refused_and_repeated_submits_are_not_counted(queue: Queue) -> None:
    queue.submit(key="k")
    queue.offer(key="k")
    queue.offer("2", key="k")
    queue.offer(priority=5000)
    assert queue.ledger.totals.submitted == 1
    assert queue.ledger.counts()["QUEUED"] == 1
