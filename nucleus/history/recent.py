"""The part of a history that began at a certain moment, for pictures of it.

Who records a cluster that has run for an hour has that hour before the run in question. What
was over when that began is left out; what goes on (jobs that have not ended, workers that the
master counts on) stays, because the rest makes no sense without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nucleus.core.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.history.history import History
from nucleus.history.observations import Beat, Committed, Observation

ENDS = (JobCompleted, JobFailed, JobCancelled)


def recent(history: History, began: float) -> History:
    """What happened after ``began`` (Unix seconds), and what went on at that moment.

    It is for pictures: promises can be judged on a whole history only.
    """
    before = [seen for seen in history.observations if seen.at <= began]
    after = [seen for seen in history.observations if seen.at > began]
    part = replace(history, observations=[*_workers(before), *_jobs(before), *after])
    part.sort()
    return part


def _workers(before: Sequence[Observation]) -> Iterator[Observation]:
    """Those that the master counts on: that they joined, and their last heartbeat."""
    heard = {seen.incarnation: seen for seen in before if isinstance(seen, Beat)}
    counted_on: dict[str, tuple[Committed, str]] = {}
    for seen in before:
        match seen:
            case Committed(event=WorkerJoined(worker=worker, incarnation=incarnation)):
                counted_on[worker] = seen, incarnation
            case Committed(event=WorkerLeft(worker=worker) | WorkerLost(worker=worker)):
                counted_on.pop(worker, None)
    for joined, incarnation in counted_on.values():
        beat = heard.get(incarnation)
        if beat is None:
            yield joined
        else:  # the recorder read of it later, which is no sign of life
            yield from (replace(joined, at=beat.at), beat)


def _jobs(before: Iterable[Observation]) -> Iterator[Observation]:
    """All that happened to the jobs that had not ended."""
    events = [seen for seen in before if isinstance(seen, Committed)]
    over = {seen.event.job_id for seen in events if isinstance(seen.event, ENDS)}
    for seen in events:
        job = getattr(seen.event, "job_id", "")
        if job and job not in over:
            yield seen
