"""Promises 2 and 3: one result for each job, and leases as fencing tokens."""

from collections import defaultdict

from nucleus.core.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRequeued,
    MasterStarted,
    ResultRejected,
)
from nucleus.history.invariants import Breach, Cases, another_master_began, breach, invariant
from nucleus.history.observations import Denied, Stopped
from nucleus.history.replay import CHANGES, Replay


@invariant(2)
def moves_are_legal(replay: Replay) -> Cases:
    """A job moves only as its lifecycle allows; what has ended stays ended."""
    for step in replay.steps:
        if step.job is None or type(step.event) not in CHANGES:
            continue
        before = step.status.name if step.status is not None else "known already"
        what = f"{type(step.event).__name__} happened to {step.job.id}, which was {before}"
        yield None if step.legal else breach(step, what)


@invariant(2)
def only_the_current_lease_counts(replay: Replay) -> Cases:
    """Only the current lease of a job can end an attempt."""
    for step in replay.of(JobCompleted, JobFailed, JobRequeued, JobCancelled):
        if step.job is not None and step.legal:
            what = f"lease {step.event.lease} ended what ran under lease {step.lease}"
            yield None if step.event.lease == step.lease else breach(step, what)


@invariant(2)
def results_come_from_the_holder(replay: Replay) -> Cases:
    """The accepted result is the one that the holder of the current lease computed."""
    results: dict[int, list[str]] = defaultdict(list)
    leases = replay.leases()
    for run in replay.seen(Stopped):
        given = leases.get(run.lease)
        if given and (given.event.worker, given.event.incarnation) == (run.worker, run.incarnation):
            results[run.lease].append(run.result)
    for step in replay.of(JobCompleted) if replay.seen(Stopped) else ():
        computed = results[step.event.lease]
        said = " or ".join(computed) or "nothing"
        what = f"{step.event.result} was taken; lease {step.event.lease} computed {said}"
        yield None if step.event.result in computed else breach(step, what)


@invariant(2)
def refusals_are_counted(replay: Replay) -> Cases:
    """Every result that was refused is counted: there is an event that says so."""
    events = (step.event for step in replay.of(ResultRejected))
    counted = {(event.worker, event.lease, event.reason) for event in events}
    for seen in replay.seen(Denied) if replay.whole else ():
        what = (
            f"{seen.worker} was refused lease {seen.lease} ({seen.reason}), and nobody counted it"
        )
        kept = (seen.worker, seen.lease, seen.reason) in counted
        yield None if kept else Breach(seen.at, what, seen.job_id, seen.worker)


@invariant(3, another_master_began)
def numbers_increase(replay: Replay) -> Cases:
    """Event numbers, and so leases, strictly increase: none is used twice."""
    last = 0
    for step in replay.steps:
        seq = step.event.seq
        if seq:
            yield None if seq > last else breach(step, f"number {seq} came after {last}")
            last = max(last, seq)


@invariant(3, another_master_began)
def one_master_commits(replay: Replay) -> Cases:
    """Once a new master has begun, an older one commits nothing."""
    latest = 0
    for seen in replay.history.events():
        event = seen.event
        if isinstance(event, MasterStarted):
            what = f"epoch {event.epoch} began after epoch {latest}"
            yield None if event.epoch > latest else Breach(seen.at, what)
            latest = max(latest, event.epoch)
        elif seen.epoch:
            what = f"the master of epoch {seen.epoch} committed {event} in epoch {latest}"
            kept = seen.epoch >= latest
            yield None if kept else Breach(seen.at, what, getattr(event, "job_id", ""))
