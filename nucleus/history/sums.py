"""Promises 10 and 11: the counts add up, and no message does harm."""

from collections import Counter, defaultdict
from math import inf
from typing import Any

from nucleus.core.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    ResultRejected,
)
from nucleus.core.job import JOB_FIELDS
from nucleus.core.lifecycle import Status
from nucleus.history.invariants import Breach, Cases, breach, invariant
from nucleus.history.observations import Counted, Fault, Listed, Message, Raised
from nucleus.history.replay import Replay

_NAMES = ("queued", "running", "completed", "failed", "cancelled")
_ENDS = {JobCompleted: "COMPLETED", JobFailed: "FAILED", JobCancelled: "CANCELLED"}


@invariant(10)
def the_sum_is_right(replay: Replay) -> Cases:
    """Submitted = queued + running + completed + failed + cancelled, at every moment."""
    for seen in replay.seen(Counted):
        counts = {name: getattr(seen, name) for name in _NAMES}
        what = f"{seen.source} counts {seen.submitted} submitted, and {counts}"
        yield None if seen.submitted == sum(counts.values()) else Breach(seen.at, what)


@invariant(10)
def counts_are_true(replay: Replay) -> Cases:
    """Every count that somebody reads is what the events say."""
    reads = sorted((read for read in replay.seen(Counted) if read.next_seq), key=_next_seq)
    steps = sorted((step for step in replay.steps if step.legal), key=lambda step: step.event.seq)
    counts: Counter[str] = Counter()
    place = 0
    for read in reads if replay.whole else ():
        while place < len(steps) and steps[place].event.seq < read.next_seq:
            _count(counts, steps[place].event, steps[place].status)
            place += 1
        told = {name: getattr(read, name) for name in ("submitted", *_NAMES)}
        true = {name: counts[name] for name in ("submitted", *_NAMES)}
        what = f"{read.source} counts {told}; the events say {true}"
        yield None if told == true else Breach(read.at, what)


def _next_seq(read: Counted) -> int:
    return read.next_seq


def _count(counts: Counter[str], event: Any, before: Status | None) -> None:
    if isinstance(event, JobSubmitted):
        counts["submitted"] += 1
        counts["queued"] += 1
    elif before is not None and not isinstance(event, ResultRejected):
        counts[before.name.lower()] -= 1
        counts[_after(event)] += 1


def _after(event: Any) -> str:
    if isinstance(event, JobLeased):
        return "running"
    return "queued" if isinstance(event, JobRequeued) else _ENDS[type(event)].lower()


@invariant(10)
def totals_are_true(replay: Replay) -> Cases:
    """The totals are the number of events of each kind, whatever was trimmed."""
    totals = replay.history.tables.totals if replay.history.tables else None
    if totals is None or not replay.whole:
        return
    finished: Counter[str] = Counter()
    reasons: dict[type, Counter[str]] = {JobRequeued: Counter(), ResultRejected: Counter()}
    for step in replay.steps:
        if kind := _ENDS.get(type(step.event)):
            finished[kind] += 1
        elif type(step.event) in reasons:
            reasons[type(step.event)][step.event.reason] += 1
    true = (len(replay.of(JobSubmitted)), finished, *reasons.values())
    told = (totals.submitted, totals.finished, totals.requeued, totals.rejected)
    for name, counted, right in zip(
        ("submitted", "finished", "requeued", "rejected"), told, true, strict=True
    ):
        what = f"{name}: the totals say {counted}, the events {right}"
        yield None if counted == right else Breach(replay.end, what)


@invariant(10)
def rows_tell_the_same(replay: Replay) -> Cases:
    """The row of a job says what its events say."""
    tables = replay.history.tables
    for row in tables.rows if tables and replay.whole else ():
        job = replay.jobs.get(row["id"])
        true = dict(zip(JOB_FIELDS, job.row(), strict=True)) if job else {}
        wrong = {name: value for name, value in row.items() if true.get(name) != value}
        what = (
            f"the row of {row['id']} says {wrong}; the events { ({n: true.get(n) for n in wrong}) }"
        )
        yield Breach(replay.end, what, row["id"]) if wrong else None


@invariant(10)
def pages_skip_nothing(replay: Replay) -> Cases:
    """A walk through all pages shows every job once."""
    walks: dict[tuple[str, int], list[Listed]] = defaultdict(list)
    for page in replay.seen(Listed):
        walks[page.client, page.walk].append(page)
    trimmed = replay.trimmed()
    known = [(step.at, step.event.job_id) for step in replay.of(JobSubmitted)]
    for pages in walks.values():
        listed = Counter(job_id for page in pages for job_id in page.job_ids)
        begins, ends = pages[0].asked, pages[-1].at
        expected = {j for at, j in known if at < begins and trimmed.get(j, inf) > ends}
        missing = sorted(expected - listed.keys()) if pages[-1].last and replay.whole else []
        twice = sorted(job_id for job_id, times in listed.items() if times > 1)
        about = (missing or twice or [""])[0]
        what = f"the pages skip {missing} and repeat {twice}"
        breach = Breach(pages[-1].at, what, about, client=pages[-1].client)
        yield breach if missing or twice else None


@invariant(11)
def nothing_unexpected(replay: Replay) -> Cases:
    """Nothing is in the queue that nobody asked for."""
    for step in replay.of(JobSubmitted) if replay.submits else ():
        event = step.event
        if event.client and event.client_seq:
            what = f"{event.job_id} came from {event.client}, which never asked for it"
            expected = (event.client, event.client_seq) in replay.submits
            yield None if expected else breach(step, what)


@invariant(11)
def nothing_raises(replay: Replay) -> Cases:
    """Whatever goes wrong around it, no part fails in a way that nobody foresaw."""
    for _ in replay.seen(Fault) + replay.seen(Message):
        yield None
    for seen in replay.seen(Raised):
        yield Breach(seen.at, f"{seen.part} raised {seen.error}", worker=seen.part)
