"""Promises 7 to 9: credit, keys, and cancelling."""

from collections import Counter, defaultdict
from math import inf

from nucleus.core.events import JobCancelled, JobLeased, JobSubmitted
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended
from nucleus.history.invariants import Breach, Cases, breach, invariant, something_broke
from nucleus.history.observations import (
    CancelAnswered,
    Received,
    Started,
    Stopped,
    Voided,
)
from nucleus.history.replay import Holder, Replay


@invariant(7)
def no_more_than_the_credit(replay: Replay) -> Cases:
    """A worker never holds more unfinished jobs than the credit it gave."""
    holds: dict[Holder, set[int]] = defaultdict(set)
    for seen in replay.history.observations:
        if isinstance(seen, Received):
            held = holds[seen.worker, seen.incarnation]
            held.add(seen.lease)
            what = f"{seen.worker} holds {len(held)} jobs; its credit was {seen.credit} at most"
            kept = len(held) <= seen.credit
            yield None if kept else Breach(seen.at, what, seen.job_id, seen.worker)
        elif isinstance(seen, Stopped):
            holds[seen.worker, seen.incarnation].discard(seen.lease)


@invariant(8, something_broke)
def one_job_for_one_submit(replay: Replay) -> Cases:
    """One number of one client makes one job, however often the request arrives."""
    made: set[tuple[str, int]] = set()
    for step in replay.of(JobSubmitted):
        submit = step.event.client, step.event.client_seq
        if step.event.client_seq:
            what = f"{submit[0]}'s submit {submit[1]} made another job"
            yield None if submit not in made else breach(step, what)
            made.add(submit)


@invariant(8)
def one_job_for_one_key(replay: Replay) -> Cases:
    """One idempotency key makes one job, until that job is trimmed."""
    made: dict[str, str] = {}
    trimmed = replay.trimmed()
    for step in replay.of(JobSubmitted):
        if key := step.event.key:
            first = made.get(key)
            kept = first is None or trimmed.get(first, inf) <= step.at
            what = f"key {key!r} had made {first}, and made {step.event.job_id} as well"
            yield None if kept else breach(step, what)
            made[key] = step.event.job_id


@invariant(8)
def one_job_is_told_of(replay: Replay) -> Cases:
    """All that one submit is ever told is about one job."""
    for (client, seq), told in replay.told.items():
        ids = {t.news.job_id for t in told if isinstance(t.news, Acknowledged | Ended)}
        if ids:
            what = f"{client}'s submit {seq} was told of {sorted(ids)}"
            yield None if len(ids) == 1 else Breach(told[-1].at, what, max(ids), client=client)


@invariant(8)
def one_key_is_one_job(replay: Replay) -> Cases:
    """Submits with one key are told of the job that has this key."""
    for told, news in replay.news(Acknowledged):
        submit = replay.submits.get((told.client, told.client_seq))
        job = replay.jobs.get(news.job_id)
        if submit is not None and job is not None and submit.key:
            what = f"key {submit.key!r} was told to be {job.id}, which has the key {job.key!r}"
            kept = job.key == submit.key
            yield None if kept else Breach(told.at, what, job.id, client=told.client)


@invariant(9)
def cancelled_is_not_dispatched(replay: Replay) -> Cases:
    """A cancelled job is never dispatched."""
    cancelled: Counter[str] = Counter()
    for step in replay.of(JobCancelled, JobLeased):
        job_id = step.event.job_id
        if isinstance(step.event, JobCancelled):
            cancelled[job_id] = 0
            yield None
        elif job_id in cancelled:
            yield breach(step, f"{job_id} was leased after it was cancelled")


@invariant(9)
def cancelled_stays_cancelled(replay: Replay) -> Cases:
    """What was said to be cancelled is cancelled, at once and for good."""
    for seen in replay.seen(CancelAnswered):
        job = replay.jobs.get(seen.job_id)
        if job is not None and seen.answer == "cancelled":
            what = f"{seen.client} was told that {job.id} is cancelled; it is {job.status.name}"
            kept = job.status is Status.CANCELLED
            yield None if kept else Breach(seen.at, what, job.id, client=seen.client)


@invariant(9)
def void_leases_are_not_started(replay: Replay) -> Cases:
    """A worker starts nothing under a lease that it knows to be void."""
    void: set[tuple[str, str, int]] = set()
    for seen in replay.history.observations:
        if isinstance(seen, Voided):
            void.add((seen.worker, seen.incarnation, seen.lease))
        elif isinstance(seen, Started) and void:
            what = f"{seen.worker} started lease {seen.lease}, which it knew to be void"
            kept = (seen.worker, seen.incarnation, seen.lease) not in void
            yield None if kept else Breach(seen.at, what, seen.job_id, seen.worker)
