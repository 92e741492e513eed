"""The life of a job, as a table.

``TRANSITIONS[status, kind of event] -> status``. A missing entry is an illegal move, and
:func:`next_status` is the one place that notices (after h11's ``_state.py``). The diagram
in the docs is drawn from this table.
"""

from enum import IntEnum

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
)


class Status(IntEnum):
    """Where a job stands. The numbers are those of the protocol."""

    QUEUED = 1  # waiting, or waiting for its ``not_before`` time
    RUNNING = 2  # leased to one worker
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5

    # By its value: what ``Enum`` has for it is a function in Python, and every job is looked up
    # by its status several times.
    __hash__ = int.__hash__


# To look a member up takes ten times as long as to compare with it.
QUEUED, RUNNING, CANCELLED = Status.QUEUED, Status.RUNNING, Status.CANCELLED

TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

TRANSITIONS: dict[tuple[Status | None, type[Event]], Status] = {
    (None, JobSubmitted): Status.QUEUED,
    (Status.QUEUED, JobLeased): Status.RUNNING,
    (Status.QUEUED, JobCancelled): Status.CANCELLED,
    (Status.RUNNING, JobCompleted): Status.COMPLETED,
    (Status.RUNNING, JobFailed): Status.FAILED,
    (Status.RUNNING, JobRequeued): Status.QUEUED,
    (Status.RUNNING, JobCancelled): Status.CANCELLED,
}


class IllegalMove(AssertionError):
    """An event met a job that it cannot happen to: a bug in the rules, never bad input."""


def next_status(status: Status | None, event: Event) -> Status:
    """Return the status after ``event``; raise :class:`IllegalMove` when there is none."""
    try:
        return TRANSITIONS[status, type(event)]
    except KeyError:
        before = "no job" if status is None else status.name
        raise IllegalMove(f"{before} -> {event}") from None
