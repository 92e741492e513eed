"""Inline checks: after an experiment, a lesson says in words what was seen.

    check(len(results) == 6, "Six jobs, six results.", "Some results are missing.")

Nothing here raises when it came otherwise, for the notebook goes on: the words say what to
look at. What is measured from jobs is in the units of the master's clock, seconds.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nucleus.client import JobView
from nucleus.core.events import Event, WorkerJoined, WorkerLost
from nucleus.history import History
from nucleus.history.observations import Beat, Fault
from nucleus.history.what_if import DEATHS
from nucleus.pictures.attempts import Attempt, attempts_of
from nucleus.pictures.queue import flow_of
from nucleus.pictures.style import GREEN, VERMILION, by_number
from nucleus.pictures.time_axis import TimeAxis

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """What a check found."""

    ok: bool
    words: str

    def __repr__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.words}"

    def _repr_html_(self) -> str:
        sign, colour = ("✓", GREEN) if self.ok else ("✗", VERMILION)
        mark = f'<strong style="color:{colour}">{sign}</strong>'
        return f'<p role="status">{mark} {html.escape(self.words)}</p>'


def check(holds: bool, words: str, otherwise: str) -> Finding:
    """Say ``words`` when it ``holds``, or else ``otherwise``."""
    return Finding(bool(holds), words if holds else otherwise)


# ---- of jobs, as the master shows them ------------------------------------------------


def all_completed(jobs: Sequence[JobView]) -> Finding:
    """Whether every job has a result, and how many needed more than one attempt."""
    done = [job for job in jobs if job.status == "COMPLETED"]
    if len(done) < len(jobs):
        rest = ", ".join(f"{job.id} is {job.status}" for job in jobs if job not in done)
        return Finding(False, f"{len(done)} of {len(jobs)} jobs have a result; {rest}.")
    again = sum(job.attempts > 1 for job in jobs)
    return Finding(True, f"{len(jobs)} jobs, {len(done)} results; {again} ran more than once.")


def seconds_for(jobs: Sequence[JobView]) -> float:
    """Seconds from the first submit to the last end. Raises ``ValueError`` before that."""
    ends = [job.finished_at for job in jobs if job.finished_at is not None]
    if not jobs or len(ends) < len(jobs):
        raise ValueError(f"jobs: {len(ends)} of {len(jobs)} have ended; wait for their results")
    return max(ends) - min(job.submitted_at for job in jobs)


def places(jobs: Sequence[JobView]) -> list[int]:
    """At which place, counted from 1, each job was handed to a worker; 0 for not yet."""
    return _ranks([job.started_at for job in jobs])


def places_at_the_end(jobs: Sequence[JobView]) -> list[int]:
    """At which place, counted from 1, each job ended; 0 for not yet."""
    return _ranks([job.finished_at for job in jobs])


def _ranks(moments: Sequence[float | None]) -> list[int]:
    known = [at for at in moments if at is not None]
    return [0 if mine is None else 1 + sum(at < mine for at in known) for mine in moments]


# ---- of a recorded run ----------------------------------------------------------------


def waiting_at(history: History, seconds: Sequence[float]) -> list[Point]:
    """How many jobs waited, so many seconds after the last was submitted: pairs of both."""
    flow = flow_of(history, TimeAxis.of(history))
    begin = max(flow.submitted_at, default=0.0)
    steps = list(zip(flow.times, flow.queued, strict=True))
    return [(after, [n for at, n in steps if at <= begin + after][-1]) for after in seconds]


def longest_silence(history: History, worker: str) -> float:
    """Seconds for which nothing was heard of a worker, at longest: between two of its heartbeats,
    or from the last one to the end of the record; 0 when it was never heard.
    """
    beats = [o.at for o in history.observations if isinstance(o, Beat) and o.worker == worker]
    moments = sorted([*beats, history.observations[-1].at]) if beats else []
    return max((after - before for before, after in pairwise(moments)), default=0.0)


def buried_alive(history: History) -> list[str]:
    """The workers that the master gave up on although nobody had crashed them."""
    crashed = {
        seen.target
        for seen in history.observations
        if isinstance(seen, Fault) and seen.kind in DEATHS
    }
    lost = (seen.event for seen in history.events() if isinstance(seen.event, WorkerLost))
    return [event.worker for event in lost if event.worker not in crashed]


def events_of(history: History, *kinds: str) -> list[Event]:
    """The events of these kinds, such as ``"JobRequeued"``, in order."""
    return [seen.event for seen in history.events() if type(seen.event).__name__ in kinds]


def detection_delay(history: History, worker: str) -> float:
    """Seconds from the first fault of ``worker`` until the master gave up on it.

    Raises ``ValueError`` when it was not broken, or not given up on.
    """
    faults = _faults_of(history, worker)
    delay = _given_up_after(history, faults[0]) if faults else None
    if delay is None:
        raise ValueError(f"worker: {worker!r} was not broken, or nobody gave up on it")
    return delay


def verdicts_in_words(history: History) -> str:
    """For each worker what was done to it, and whether the master gave up on it: a line each."""
    joined = (seen.event for seen in history.events() if isinstance(seen.event, WorkerJoined))
    names = {event.worker for event in joined}
    return "\n".join(
        _verdict(history, fault) for name in by_number(names) for fault in _faults_of(history, name)
    )


def _faults_of(history: History, worker: str) -> list[Fault]:
    return [s for s in history.observations if isinstance(s, Fault) and s.target == worker]


def _given_up_after(history: History, fault: Fault) -> float | None:
    lost = (
        seen.at - fault.at
        for seen in history.events()
        if isinstance(seen.event, WorkerLost) and seen.event.worker == fault.target
    )
    return next((delay for delay in lost if delay > 0), None)


def _verdict(history: History, fault: Fault) -> str:
    start = history.observations[0].at
    words = f"{fault.target}: {fault.kind} at {fault.at - start:.1f} s"
    if fault.until is not None and fault.until > fault.at:
        words += f", for {fault.until - fault.at:.1f} s"
    delay = _given_up_after(history, fault)
    if delay is None:
        return f"{words}; the master never gave up on it"
    truth = "it was dead" if fault.kind in DEATHS else "it was ALIVE"
    return f"{words}; the master gave up on it after {delay:.1f} s, and {truth}"


def attempts_in_words(history: History, job_id: str) -> str:
    """Who ran a job, under which lease, and how each run ended: a line for each attempt."""
    start = history.observations[0].at
    mine = [attempt for attempt in attempts_of(history) if attempt.job_id == job_id]
    return "\n".join(
        f"attempt {number}: {attempt.worker}, lease {attempt.lease}, from"
        f" {(attempt.started or start) - start:.1f} s, {_ending(attempt, start)}"
        for number, attempt in enumerate(mine, 1)
    )


def _ending(attempt: Attempt, start: float) -> str:
    if attempt.outcome == "running":
        return "still running"
    outcome = "lost with its worker" if attempt.outcome == "lost" else attempt.outcome
    return f"{outcome} at {attempt.ended - start:.1f} s"
