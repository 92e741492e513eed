"""The decisions of the ledger can be exchanged, and the ledger goes by what it is given."""

from dataclasses import replace
from typing import Any

import pytest

from nucleus.core.lifecycle import Status
from nucleus.core.ready import ReadyQueue
from nucleus.core.rules import OURS, Fate
from tests.core_support import Queue


def other(**rules: Any) -> Queue:
    """A queue that goes by these rules, and by ours in all else."""
    return Queue(rules=replace(OURS, **rules))


class Backwards(ReadyQueue):
    """A queue that asks nobody and takes the last."""

    def extend(self, jobs: Any, now: float) -> None:
        for job in jobs:
            job.not_before = -job.number
        super().extend(jobs, now)


def test_the_queue_can_be_another_one() -> None:
    queue = other(queue=Backwards)
    ids = queue.submit_many(3)
    queue.join("w", slots=3)
    queue.settle()
    assert queue.held("w") == ids[::-1]


def test_who_is_lost_can_be_decided_otherwise() -> None:
    queue = other(gives_up=lambda worker, allowance, now, limits: now - allowance > 2)
    queue.join("w")
    queue.wait(2, beating=["w"])
    assert len(queue.ledger.roster.alive()) == 1
    queue.wait(0.25, beating=["w"])
    assert queue.ledger.roster.alive() == []


@pytest.mark.parametrize(
    ("fate", "status", "attempts"),
    [
        (Fate(over=True, charge=True), Status.FAILED, 1),
        (Fate(over=True), Status.FAILED, 0),
        (Fate(charge=True), Status.QUEUED, 1),
        (Fate(front=False), Status.QUEUED, 0),
    ],
)
def test_what_becomes_of_lost_work_can_be_decided_otherwise(
    fate: Fate, status: Status, attempts: int
) -> None:
    queue = other(after_loss=lambda job, place, worker: fate)
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.wait(10.25)
    job = queue.job(job_id)
    assert (job.status, job.attempts, job.front) == (status, attempts, fate.front and not fate.over)
    if fate.over:
        assert job.error == "worker w was lost; attempt 1 was the last"


def test_what_becomes_of_a_failed_attempt_can_be_decided_otherwise() -> None:
    queue = other(after_failure=lambda job, limits: Fate(charge=True, delay=7.0))
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.fail(job_id)
    job = queue.job(job_id)
    assert (job.status, job.front, job.not_before) == (Status.QUEUED, True, queue.now + 7.0)


def test_a_job_that_is_given_up_after_a_failure_need_not_be_charged() -> None:
    queue = other(after_failure=lambda job, limits: Fate(over=True))
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.fail(job_id)
    assert (queue.job(job_id).status, queue.job(job_id).attempts) == (Status.FAILED, 0)


def test_which_reports_count_can_be_decided_otherwise() -> None:
    asked: list[str] = []

    def repeats(job: Any, by: Any, report: Any) -> bool:
        asked.append("repeats")
        return OURS.repeats(job, by, report)

    def refuse(job: Any, by: Any, report: Any) -> Any:
        asked.append("refuse")
        return OURS.refuse_report(job, by, report)

    queue = other(repeats=repeats, refuse_report=refuse)
    job_id = queue.submit()
    queue.join("w")
    queue.settle()
    queue.finish(job_id)
    assert asked == ["repeats", "refuse"]
