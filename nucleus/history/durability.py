"""Promise 1: an acknowledged submit is never lost; and what clients hear is so."""

from operator import attrgetter

from nucleus.core.events import JobLeased, JobSubmitted
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended, Forgotten, Lost, Refused, end_of
from nucleus.core.refusals import Reason
from nucleus.history.invariants import Breach, Cases, another_master_began, invariant
from nucleus.history.observations import Abandoned, Committed, Received, Told, Unanswered
from nucleus.history.replay import Replay

ROUNDING = 1e-3  # seconds that adding a delay to a time of today can cost
PASSING = (Reason.QUEUE_FULL, Reason.KEY_CONFLICT, Reason.KEY_EXPIRED)
"""Reasons that can pass: the same request, arriving a second time, may make a job after all."""


@invariant(1, another_master_began)
def acknowledged_is_kept(replay: Replay) -> Cases:
    """Every job whose submit was acknowledged is in the ledger."""
    for told, news in replay.news(Acknowledged) if replay.whole else ():
        kept = news.job_id in replay.jobs
        yield None if kept else _told_wrong(told, f"{news.job_id} is not in the ledger")


@invariant(1)
def told_after_the_commit(replay: Replay) -> Cases:
    """Clients are told of nothing that is not durable yet."""
    jobs: set[str] = set()
    ended: set[str] = set()
    for seen in replay.history.observations if _in_true_order(replay) else ():
        if isinstance(seen, Committed):
            if isinstance(seen.event, JobSubmitted):
                jobs.add(seen.event.job_id)
            elif end := end_of(seen.event):
                ended.add(end.job_id)
        elif isinstance(seen, Told) and isinstance(seen.news, Acknowledged | Ended):
            durable = jobs if isinstance(seen.news, Acknowledged) else ended
            kept = seen.news.job_id in durable
            yield None if kept else _told_wrong(seen, "it was not committed yet")


@invariant(1)
def leases_leave_after_the_commit(replay: Replay) -> Cases:
    """A lease leaves the master only once it is durable, and goes to its holder."""
    in_order = _in_true_order(replay)
    given = {} if in_order else {n: step.event for n, step in replay.leases().items()}
    for seen in replay.history.observations:
        if in_order and isinstance(seen, Committed) and isinstance(seen.event, JobLeased):
            given.setdefault(seen.event.seq, seen.event)
        elif isinstance(seen, Received):
            lease = given.get(seen.lease)
            mine = lease and (lease.job_id, lease.worker, lease.incarnation)
            if mine == (seen.job_id, seen.worker, seen.incarnation):
                yield None
            else:
                what = f"{seen.worker} received lease {seen.lease}, which is {mine or 'nobody'}'s"
                yield Breach(seen.at, what, seen.job_id, seen.worker)


@invariant(1)
def every_job_ends(replay: Replay) -> Cases:
    """Every job reaches an end: COMPLETED, FAILED or CANCELLED."""
    for job in replay.jobs.values() if replay.history.drained else ():
        what = f"{job.id} is {job.status.name} for ever"
        end = replay.end
        yield None if job.ended else Breach(end, what, job.id, job.worker, job.client)


@invariant(1)
def every_handle_hears_one_end(replay: Replay) -> Cases:
    """Every submit that was not refused hears of one end of its job, and of one only."""
    for told in replay.told.values() if replay.history.drained else ():
        if not isinstance(told[0].news, Acknowledged | Ended):
            continue
        ends = [item for item in told if isinstance(item.news, Ended | Forgotten | Lost)]
        gave_up = any(isinstance(item.news, Unanswered) for item in told)
        if len(ends) == 1 or (gave_up and not ends):
            yield None
        else:
            yield _told_wrong((ends or told)[-1], f"it heard of {len(ends)} ends")


@invariant(1)
def clients_hear_the_truth(replay: Replay) -> Cases:
    """What a client hears of the end of a job is what happened."""
    for told, end in replay.news(Ended) if replay.whole else ():
        job = replay.jobs.get(end.job_id)
        failed = end.status is Status.FAILED
        heard = (end.status, end.result, end.error if failed else "")
        true = job and (job.status, job.result, job.error if failed else "")
        yield None if heard == true else _told_wrong(told, f"the ledger says {true}")


@invariant(1)
def jobs_are_as_asked(replay: Replay) -> Cases:
    """Each submit is answered with its own job: its type, payload, priority, delay and limits."""
    made = {step.event.job_id: step.event for step in replay.of(JobSubmitted)}
    for told, news in replay.news(Acknowledged):
        submit = replay.submits.get((told.client, told.client_seq))
        job = made.get(news.job_id)
        if submit is not None and job is not None:
            asked, got = _asked(submit), _asked(job)
            kept = asked == got and (job.key or _delayed(job, submit.delay))
            what = f"{asked} was asked for in {submit.delay} s, this is {got}"
            yield None if kept else _told_wrong(told, what)


_asked = attrgetter("job_type", "payload", "priority", "max_attempts", "timeout")


def _delayed(job: JobSubmitted, delay: float) -> bool:
    """Whether it waits as long as asked; a job that has a key waits as its first submit said."""
    return abs(job.not_before - job.at - delay) < ROUNDING


@invariant(1)
def definite_errors_are_definite(replay: Replay) -> Cases:
    """A definite error means that nothing happened."""
    yield from _abandoned(replay)
    made = _made(replay)
    for told, news in replay.news(Unanswered):
        if news.definite:
            job = made.get((told.client, told.client_seq))
            yield _told_wrong(told, f"it made {job.job_id}", job) if job else None


def _abandoned(replay: Replay) -> Cases:
    committed: set[str] = set()
    for seen in replay.history.observations if _in_true_order(replay) else ():
        if isinstance(seen, Committed) and isinstance(seen.event, JobSubmitted):
            committed.add(seen.event.job_id)
        elif isinstance(seen, Abandoned) and seen.definite and seen.job_ids:
            kept = sorted(committed.intersection(seen.job_ids))
            what = f"a call was told that nothing happened, but {kept} exist"
            yield Breach(seen.at, what, kept[0]) if kept else None


@invariant(1)
def refusals_are_final(replay: Replay) -> Cases:
    """A refused submit stays refused, hears nothing more, and made no job."""
    made = _made(replay)
    for told, news in replay.news(Refused):
        submit = told.client, told.client_seq
        heard, job = replay.told[submit], made.get(submit)
        if job is not None and news.refusal.reason not in PASSING:
            yield _told_wrong(told, f"it made {job.job_id}", job)
        else:
            yield None if len(heard) == 1 else _told_wrong(heard[-1], "it was refused, too")


def _made(replay: Replay) -> dict[tuple[str, int], JobSubmitted]:
    """The job that each number of each client made."""
    events = (step.event for step in replay.of(JobSubmitted))
    return {(event.client, event.client_seq): event for event in events}


def _told_wrong(told: Told, why: str, about: JobSubmitted | None = None) -> Breach:
    what = f"{told.client} was told {told.news} of its submit {told.client_seq}; {why}"
    return Breach(told.at, what, getattr(about or told.news, "job_id", ""), client=told.client)


def _in_true_order(replay: Replay) -> bool:
    """Whether the history tells what came first, the commit or its news."""
    return replay.history.source == "simulation"
