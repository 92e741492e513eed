"""Output commits: nothing leaves before the commit that contains it (promise 1)."""

import pytest

from nucleus.core.errors import Fenced
from nucleus.core.events import JobLeased
from nucleus.core.job import job_number
from nucleus.core.keys import Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.outbox import Abandoned
from nucleus.stores.memory import MemoryStore
from tests.core_support import Queue, checked_queue, keep

queue = checked_queue


def test_promise_1_nothing_leaves_before_its_commit(queue: Queue) -> None:
    job_id = queue.submit()
    queue.outbox.hold("acknowledge")
    assert queue.store.find(job_id) is None
    batch = queue.begin()
    assert queue.store.find(job_id) is None
    queue.outbox.hold("later")
    assert queue.commit(batch) == ["acknowledge"]
    assert queue.store.find(job_id) == queue.job(job_id)
    assert queue.commit(queue.begin()) == ["later"]


def test_effects_leave_in_order_and_once(queue: Queue) -> None:
    for name in "abc":
        queue.outbox.hold(name)
    assert queue.commit(queue.begin()) == ["a", "b", "c"]
    assert queue.commit(queue.begin()) == []


def test_what_happens_during_a_commit_forms_the_next_batch(queue: Queue) -> None:
    first = queue.submit()
    batch = queue.begin()
    second = queue.submit()
    assert [state[0] for state in batch.states] == [job_number(first)]
    queue.commit(batch)
    assert [state[0] for state in queue.begin().states] == [job_number(second)]


def test_one_commit_at_a_time(queue: Queue) -> None:
    batch = queue.begin()
    assert queue.outbox.committing
    queue.outbox.hold("later")
    assert queue.outbox.begin(queue.now) is None
    assert queue.commit(batch) == []
    assert not queue.outbox.committing
    with pytest.raises(RuntimeError, match="no batch"):
        queue.outbox.committed()


def test_a_submit_and_its_lease_share_a_commit(queue: Queue) -> None:
    queue.join("w")
    job_id = queue.submit()
    batch = queue.begin()
    assert [type(event).__name__ for event in batch.events][-2:] == ["JobSubmitted", "JobLeased"]
    assert queue.store.find(job_id) is None
    queue.commit(batch)


def test_an_answer_to_a_read_waits_for_what_it_saw(queue: Queue) -> None:
    """A read finds a job whose commit is under way: its answer leaves with the next batch."""
    queue.submit()
    batch = queue.begin()
    queue.outbox.hold("read")
    assert queue.commit(batch) == []
    empty = queue.begin()
    assert empty.empty
    assert queue.commit(empty) == ["read"]


def test_a_batch_is_a_snapshot(queue: Queue) -> None:
    job_id = queue.submit()
    batch = queue.begin()
    queue.cancel(job_id)
    queue.commit(batch)
    found = queue.store.find(job_id)
    assert found is not None
    assert found.status is Status.QUEUED
    assert queue.disk.totals.finished == {}
    queue.settle()
    assert queue.disk.totals.finished == {"CANCELLED": 1}


@pytest.mark.parametrize(("commit_issued", "definite"), [(False, True), (True, False)])
def test_a_failed_commit_tells_whether_calls_certainly_did_not_happen(
    queue: Queue, commit_issued: bool, definite: bool
) -> None:
    queue.submit()
    queue.outbox.hold("a")
    queue.outbox.hold("b")
    queue.begin()
    assert queue.outbox.abandon(commit_issued=commit_issued) == [
        Abandoned("a", definite),
        Abandoned("b", definite),
    ]
    assert not queue.outbox.committing
    queue.restart()


def test_a_repeat_of_a_call_whose_commit_may_have_happened_may_have_happened_too(
    queue: Queue,
) -> None:
    """It was answered with the job of that commit, so nobody can say that there is none."""
    job_id = queue.submit(key="k")
    queue.outbox.hold("first call")
    batch = queue.begin()
    assert queue.offer(key="k") == Accepted(job_id, duplicate=True)
    queue.outbox.hold("its repeat")
    keep(queue.store, batch)
    queue.history += batch.events  # it happened, but the master never heard
    abandoned = queue.outbox.abandon(commit_issued=True)
    assert [lost.definite for lost in abandoned] == [False, False]
    queue.restart()
    assert queue.offer(key="k") == Accepted(job_id, duplicate=True)


def test_a_failed_commit_leaves_nothing_behind(queue: Queue) -> None:
    queue.join("w")
    queue.settle()
    job_id = queue.submit()
    queue.begin()
    queue.outbox.abandon(commit_issued=False)
    queue.restart()
    assert queue.ledger.find(job_id) is None
    assert queue.happened(JobLeased) == []


# Ended jobs leave memory


def test_an_ended_job_is_kept_in_memory_until_its_commit(queue: Queue) -> None:
    queue.join("w")
    job_id = queue.submit(key="k")
    queue.settle()
    queue.finish(job_id)
    batch = queue.begin()
    assert queue.job(job_id).status is Status.COMPLETED
    assert queue.offer(key="k") == Accepted(job_id, duplicate=True)
    queue.commit(batch)
    assert job_id not in queue.ledger._jobs
    assert queue.job(job_id).status is Status.COMPLETED


def test_a_job_that_ends_during_a_commit_is_kept_until_the_next(queue: Queue) -> None:
    queue.join("w")
    job_id = queue.submit()
    queue.settle()
    queue.release(job_id)
    batch = queue.begin()
    queue.cancel(job_id)
    queue.commit(batch)
    assert queue.status(job_id) is Status.CANCELLED
    assert job_id in queue.ledger._jobs
    queue.settle()
    assert job_id not in queue.ledger._jobs


def test_memory_grows_with_the_work_in_hand_and_not_with_history(queue: Queue) -> None:
    queue.join("w", slots=10)
    for _ in range(50):
        ids = queue.submit_many(10)
        queue.settle()
        for job_id in ids:
            queue.finish(job_id)
        queue.settle()
    assert queue.ledger._jobs == {}
    assert queue.ledger._keys._users == {}
    assert queue.ledger.counts()["COMPLETED"] == 500


def test_a_fenced_master_commits_nothing(queue: Queue) -> None:
    job_id = queue.submit()
    batch = queue.begin()
    MemoryStore(queue.disk).load()
    with pytest.raises(Fenced):
        keep(queue.store, batch)
    queue.restart()
    assert queue.ledger.find(job_id) is None
