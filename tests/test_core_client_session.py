"""The client's own rules: what it sends again, and which handle a result is for (1, 8, 11)."""

import sys
from dataclasses import replace

from nucleus.core.client_session import MAX_BATCH, MAX_BATCH_CHARACTERS, MAX_PENDING, ClientSession
from nucleus.core.job import JobSpec, Order
from nucleus.core.keys import Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended, Forgotten, Lost, Refused, end_of
from nucleus.core.refusals import Reason, Refusal
from tests.core_support import Queue, checked_queue

queue = checked_queue

ECHO = JobSpec("Echo", "1")


def submitted(count: int = 1) -> ClientSession:
    client = ClientSession("c")
    for _ in range(count):
        client.submit(ECHO, "1")
    return client


def numbers(batch: list[Order]) -> list[int]:
    return [order.first_seq + place for order in batch for place in range(len(order.payloads))]


def accepted(*ids: str) -> list[Accepted | Refusal]:
    return [Accepted(job_id, duplicate=False) for job_id in ids]


def send(queue: Queue, client: ClientSession) -> list[Accepted | Refusal]:
    """Carry the next batch to the ledger; return its answer, not yet given to the client."""
    batch = client.next_batch()
    return [
        outcome
        for order in batch
        for outcome in queue.ledger.submit_order(order, client.client_id, queue.now)
    ]


def own(queue: Queue, client: ClientSession) -> list[Ended]:
    """The committed ends of this client's jobs."""
    ours = [e for e in queue.history if getattr(e, "client", None) == client.client_id]
    return [ended for event in ours if (ended := end_of(event)) is not None]


# Batches


def test_submits_are_numbered_from_one_on() -> None:
    client = ClientSession("c")
    assert [client.submit(ECHO, "1") for _ in range(3)] == [1, 2, 3]
    assert numbers(client.next_batch()) == [1, 2, 3]


def test_while_one_call_is_in_flight_the_next_batch_gathers() -> None:
    client = submitted(1)
    assert numbers(client.next_batch()) == [1]
    client.submit(ECHO, "1")
    client.submit(ECHO, "1")
    assert client.next_batch() == []
    assert client.answered(accepted("a")) == [Acknowledged(1, "a")]
    assert numbers(client.next_batch()) == [2, 3]


def test_a_batch_holds_so_many_jobs() -> None:
    client = submitted(MAX_BATCH + 1)
    assert len(numbers(client.next_batch())) == MAX_BATCH
    assert client.unacknowledged == MAX_BATCH + 1


def test_a_batch_holds_so_much_payload_but_at_least_one_job() -> None:
    client = ClientSession("c")
    for size in (MAX_BATCH_CHARACTERS + 1, MAX_BATCH_CHARACTERS, 1):
        client.submit(ECHO, "x" * size)
    batches = []
    while batch := client.next_batch():
        batches.append(numbers(batch))
        client.answered(accepted(*"abc"[: len(batch)]))
    assert batches == [[1], [2], [3]]


def test_nothing_to_send_is_an_empty_batch() -> None:
    assert ClientSession("c").next_batch() == []


def test_a_client_is_full_with_4096_unacknowledged_submits() -> None:
    client = submitted(MAX_PENDING - 1)
    assert not client.full
    client.submit(ECHO, "1")
    assert client.full
    client.next_batch()
    assert client.full, "a call in flight is not acknowledged"
    client.answered(accepted(*map(str, range(MAX_BATCH))))
    assert not client.full


def test_promise_8_the_oldest_submit_never_falls_out_of_the_masters_window(queue: Queue) -> None:
    """Submits that were withdrawn leave gaps in the numbers, but the window counts numbers."""
    client = submitted(1)
    send(queue, client)
    client.broken()
    for _ in range(2 * MAX_PENDING):
        if not client.full:
            highest = client.submit(ECHO, "1")
            client.withdraw(highest)
    assert client.full
    queue.submit(client="c", client_seq=highest)
    assert [type(item) for item in client.answered(send(queue, client))] == [Acknowledged]


# Lost calls


def test_promise_11_a_broken_call_is_sent_again_first_and_in_order() -> None:
    client = submitted(2)
    client.next_batch()
    client.submit(ECHO, "1")
    client.broken()
    assert numbers(client.next_batch()) == [1, 2, 3]


def test_promise_11_a_lost_request_is_made_good(queue: Queue) -> None:
    client = submitted(2)
    client.next_batch()
    client.broken()
    news = client.answered(send(queue, client))
    assert [type(item) for item in news] == [Acknowledged] * 2
    assert queue.ledger.totals.submitted == 2


def test_promise_8_a_lost_reply_makes_no_second_job(queue: Queue) -> None:
    client = submitted(2)
    lost = send(queue, client)
    client.broken()
    queue.settle()
    again = client.answered(send(queue, client))
    ids = [outcome.job_id for outcome in lost if isinstance(outcome, Accepted)]
    assert again == [Acknowledged(1, ids[0]), Acknowledged(2, ids[1])]
    assert queue.ledger.totals.submitted == 2


def test_promise_1_a_master_that_lost_its_commit_gets_the_submits_again(queue: Queue) -> None:
    client = submitted(3)
    send(queue, client)
    queue.restart()
    client.broken()
    news = client.answered(send(queue, client))
    queue.settle()
    assert len(queue.rows()) == 3
    assert {item.job_id for item in news if isinstance(item, Acknowledged)} == set(queue.rows())


def test_a_refused_submit_is_news_and_the_others_go_on(queue: Queue) -> None:
    client = ClientSession("c")
    for payload in ("1", "bad", "3"):
        client.submit(ECHO, payload)
    news = client.answered(send(queue, client))
    assert [type(item) for item in news] == [Acknowledged, Refused, Acknowledged]
    refusal = news[1]
    assert isinstance(refusal, Refused)
    assert (refusal.client_seq, refusal.refusal.reason) == (2, Reason.INVALID)
    assert client.unacknowledged == 0
    assert len(client.lookup()) == 2


# Ends


def test_the_end_of_a_job_reaches_its_submit(queue: Queue) -> None:
    client = submitted(4)
    client.answered(send(queue, client))
    done, failed, cancelled, _ = client.lookup()
    queue.join("w", slots=4)
    queue.settle()
    queue.finish(done)
    for _ in range(3):
        queue.fail(failed)
        queue.wait(2, beating=["w"])
        queue.settle()
    queue.cancel(cancelled)
    queue.settle()
    news = client.seen(own(queue, client), queue.ledger.next_seq)
    assert sorted(news, key=lambda item: item.client_seq) == [
        Ended(1, done, Status.COMPLETED, result='"done"'),
        Ended(2, failed, Status.FAILED, error="boom"),
        Ended(3, cancelled, Status.CANCELLED),
    ]
    assert client.next_seq == queue.ledger.next_seq
    assert len(client.lookup()) == 1


def test_promise_11_an_end_that_is_seen_twice_is_news_once(queue: Queue) -> None:
    client = submitted()
    client.answered(send(queue, client))
    [job_id] = client.lookup()
    queue.cancel(job_id)
    queue.settle()
    assert len(client.seen(own(queue, client), 10)) == 1
    assert client.seen(own(queue, client), 5) == []
    assert client.next_seq == 10


def test_an_end_may_overtake_the_answer_to_its_submit(queue: Queue) -> None:
    client = submitted()
    answer = send(queue, client)
    queue.join("w")
    queue.settle()
    [job_id] = queue.held("w")
    queue.finish(job_id)
    queue.settle()
    [ended] = client.seen(own(queue, client), queue.ledger.next_seq)
    assert isinstance(ended, Ended)
    assert ended.client_seq == 1
    assert client.answered(answer) == [Acknowledged(1, job_id)]
    assert client.lookup() == {}
    assert client.seen(own(queue, client), queue.ledger.next_seq) == []


def test_after_a_gap_the_ends_that_were_looked_up_are_news(queue: Queue) -> None:
    client = submitted(2)
    client.answered(send(queue, client))
    asked = client.lookup()
    first, second = asked
    ended = Ended(0, first, Status.COMPLETED, result="1")
    assert client.found(asked, [ended, ended]) == [Ended(1, first, Status.COMPLETED, result="1")]
    assert client.found(asked, [ended]) == []
    assert client.lookup() == {second: [2]}


def test_a_looked_up_job_that_is_unknown_has_ended_and_was_trimmed(queue: Queue) -> None:
    client = submitted(3)
    client.answered(send(queue, client))
    asked = client.lookup()
    first, second, third = asked
    news = client.missing(asked, [third, first, "another client's"])
    assert news == [Forgotten(3, third), Forgotten(1, first)]
    assert client.lookup() == {second: [2]}
    assert client.missing(asked, [first]) == []


def test_a_look_up_costs_what_it_asks_for_however_many_jobs_are_open() -> None:
    client = ClientSession("c")
    for number in range(100_000):
        client.adopt(f"job-{number}")
    asked = client.lookup()
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    ends = [Ended(0, f"job-{number}", Status.COMPLETED) for number in range(100)]
    sys.setprofile(count)
    client.found(asked, ends)
    client.missing(asked, ["job-200"])
    sys.setprofile(None)
    assert len(client.lookup()) == 100_000 - 101
    assert steps < 10_000


def test_promise_8_two_submits_under_one_users_key_both_hear_of_the_end(queue: Queue) -> None:
    """Events name only the first, so the other one's job is asked for."""
    client = ClientSession("c")
    for _ in range(3):
        client.submit(JobSpec("Echo", "", key="k"), "1")
    client.answered(send(queue, client))
    asked = client.lookup()
    [job_id] = asked
    assert client.shared() == {job_id: [2, 3]}
    queue.cancel(job_id)
    queue.settle()
    ended = Ended(1, job_id, Status.CANCELLED)
    assert client.seen(own(queue, client), queue.ledger.next_seq) == [ended]
    assert client.found(asked, [ended]) == [replace(ended, client_seq=seq) for seq in (2, 3)]
    assert (client.shared(), client.lookup()) == ({}, {})


def test_a_job_that_was_made_in_another_way_is_followed() -> None:
    client = submitted()
    number = client.adopt("a")
    assert (number, client.shared(), client.lookup()) == (2, {"a": [2]}, {"a": [2]})
    assert numbers(client.next_batch()) == [1], "it is not submitted"
    ended = Ended(0, "a", Status.COMPLETED)
    assert client.found(client.lookup(), [ended]) == [replace(ended, client_seq=2)]


# Taking back


def test_a_submit_that_was_never_sent_is_taken_back_for_certain() -> None:
    client = submitted(2)
    assert client.withdraw(1)
    assert numbers(client.next_batch()) == [2]
    assert not client.withdraw(1)


def test_a_submit_that_was_sent_may_have_happened() -> None:
    client = submitted(2)
    client.next_batch()
    assert not client.withdraw(1), "in flight"
    client.broken()
    assert not client.withdraw(1), "to be sent again"
    assert numbers(client.next_batch()) == [1, 2]
    client.answered(accepted("a", "b"))
    assert not client.withdraw(1), "acknowledged"


def test_an_unknown_submit_is_not_taken_back() -> None:
    assert not ClientSession("c").withdraw(7)


# Forgetting


def test_of_a_submit_that_was_forgotten_nothing_is_asked_or_told_any_more() -> None:
    client = submitted(2)
    client.next_batch()
    client.answered([Accepted("a", duplicate=True), Accepted("b", duplicate=True)])
    client.forget(1)
    assert client.lookup() == client.shared() == {"b": [2]}
    ends = [Ended(seq, job, Status.COMPLETED) for seq, job in ((1, "a"), (2, "b"))]
    assert client.seen(ends, 9) == ends[1:]


def test_a_submit_that_was_forgotten_too_early_is_sent_until_it_is_acknowledged() -> None:
    client = submitted()
    client.forget(1)
    client.next_batch()
    client.broken()
    assert numbers(client.next_batch()) == [1]
    assert client.answered(accepted("a")) == [Acknowledged(1, "a")]
    assert client.lookup() == {}


# Another ledger


def test_when_the_ledger_is_another_what_it_acknowledged_is_lost() -> None:
    client = submitted(3)
    assert client.heard("one") == []
    client.next_batch()
    client.answered(accepted("a", "b", "c"))
    client.seen([], 50)
    assert client.heard("one") == []
    client.submit(ECHO, "1")
    assert client.heard("two") == [Lost(seq, "two") for seq in (1, 2, 3)]
    assert (client.ledger_id, client.next_seq, client.lookup()) == ("two", 0, {})


def test_what_was_not_acknowledged_is_sent_to_the_new_ledger() -> None:
    client = submitted(1)
    client.heard("one")
    client.next_batch()
    client.answered(accepted("a"))
    client.submit(ECHO, "1")
    client.next_batch()
    client.submit(ECHO, "1")
    client.broken()
    assert client.heard("two") == [Lost(1, "two")]
    assert client.shared() == {}, "nothing is known of the others yet"
    assert numbers(client.next_batch()) == [2, 3]
    assert client.answered(accepted("b", "c")) == [Acknowledged(2, "b"), Acknowledged(3, "c")]
    assert client.lookup() == {"b": [2], "c": [3]}
    assert client.shared() == {"b": [2], "c": [3]}, "their end may have come before the watch"


def test_what_was_not_acknowledged_when_the_place_was_lost_is_followed() -> None:
    client = ClientSession("c")
    client.submit(ECHO, "1")
    client.next_batch()
    client.lost_place()
    assert client.next_seq == 0
    assert client.following
    assert client.shared() == {}
    client.answered([Accepted("job", duplicate=False)])
    assert client.shared() == {"job": [1]}
