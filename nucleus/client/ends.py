"""The ends of jobs, as messages tell of them."""

from collections.abc import Iterable, Iterator
from itertools import starmap

from nucleus.core.lifecycle import Status
from nucleus.core.news import Ended
from nucleus.rpc import job_queue_pb2 as pb

STATUSES = {
    "JobCompleted": Status.COMPLETED,
    "JobFailed": Status.FAILED,
    "JobCancelled": Status.CANCELLED,
}


def ends_in(batch: Iterable[pb.Events]) -> Iterator[Ended]:
    """The ends that a watch of the kinds in :data:`STATUSES` tells of, in order.

    Raises ``ValueError`` for columns of different lengths. No event is made of them, which
    would be taken apart at once: that cost more than all else that a client does with it.
    """
    for events in batch:
        status, none = STATUSES[events.kind], [""] * len(events.seq)
        columns = (
            events.client_seq,
            events.job_id,
            [status] * len(events.seq),
            events.result if status is Status.COMPLETED else none,
            events.error if status is Status.FAILED else none,
        )
        yield from starmap(Ended, zip(*columns, strict=True))


def end_of_job(job: pb.Job) -> Ended | None:
    """The end of a job that was looked up, of whichever submit it is; ``None`` before that."""
    status = Status(job.status)
    if status not in STATUSES.values():
        return None
    return Ended(0, job.job_id, status, job.result, job.error)
