"""What passes between the ledger and a store: changes out, a snapshot in, and a way to ask.

A store keeps these as they are and knows no rules.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRequeued,
    JobSubmitted,
    ResultRejected,
    WorkerHeartbeat,
)
from nucleus.core.job import Job
from nucleus.core.lifecycle import Status


@dataclass(slots=True)
class Totals:
    """Counts since the ledger began; durable, and untouched by trimming."""

    submitted: int = 0
    finished: dict[str, int] = field(default_factory=dict)  # by status
    requeued: dict[str, int] = field(default_factory=dict)  # by reason
    rejected: dict[str, int] = field(default_factory=dict)  # by reason

    def count(self, events: Sequence[Event]) -> None:
        """Count what ``events`` tell."""
        for kind, times in Counter(map(type, events)).items():
            if kind is JobSubmitted:
                self.submitted += times
            elif status := _FINISHED.get(kind):
                _add(self.finished, status, times)
            elif kind is JobRequeued:
                _add_reasons(self.requeued, (e for e in events if isinstance(e, JobRequeued)))
            elif kind is ResultRejected:
                _add_reasons(self.rejected, (e for e in events if isinstance(e, ResultRejected)))

    def copy(self) -> "Totals":
        """Totals that later events do not change."""
        return Totals(self.submitted, dict(self.finished), dict(self.requeued), dict(self.rejected))


_FINISHED: dict[type[Event], str] = {
    JobCompleted: Status.COMPLETED.name,
    JobFailed: Status.FAILED.name,
    JobCancelled: Status.CANCELLED.name,
}


def _add(counts: dict[str, int], name: str, times: int) -> None:
    counts[name] = counts.get(name, 0) + times


def _add_reasons(counts: dict[str, int], events: Iterable[JobRequeued | ResultRejected]) -> None:
    for event in events:
        _add(counts, event.reason, 1)


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """What outlives a master about a worker."""

    name: str
    incarnation: str
    slots: int
    job_types: tuple[str, ...]
    joined_at: float  # Unix seconds
    status: str
    retired: tuple[str, ...]  # earlier incarnations, which are refused
    session: int = 0  # the latest one, so that a request overtaken on the way stays refused


@dataclass(frozen=True, slots=True)
class KeyRun:
    """Consecutive keys of one client, and the consecutive job numbers that they became.

    A batch of submits makes one run, so keys cost a store next to nothing.
    """

    client: str
    first_seq: int
    first_number: int
    count: int

    @property
    def last_seq(self) -> int:
        """The last key."""
        return self.first_seq + self.count - 1

    def number_of(self, seq: int) -> int:
        """The number of the job that the key ``seq`` became."""
        return self.first_number + seq - self.first_seq

    def leads_to(self, other: "KeyRun") -> bool:
        """Whether ``other`` goes on where this run ends."""
        follows = other.first_seq == self.last_seq + 1 and other.client == self.client
        return follows and other.first_number == self.number_of(other.first_seq)

    def joined(self, other: "KeyRun") -> "KeyRun":
        """This run, and the one that it leads to, as one."""
        return KeyRun(self.client, self.first_seq, self.first_number, self.count + other.count)


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that one commit makes durable."""

    events: tuple[Event, ...]
    states: tuple[tuple[Any, ...], ...]  # ``Job.state`` of the jobs that are new or changed
    workers: tuple[WorkerRow, ...]  # the workers that changed
    gone_workers: tuple[str, ...]  # names of workers whose rows go
    totals: Totals
    job_types: tuple[str, ...]  # every type offered so far
    next_seq: int
    latest: float  # the ledger's time, Unix seconds
    heartbeats: tuple[WorkerHeartbeat, ...]  # ephemeral: watched, never stored
    key_runs: tuple[KeyRun, ...] = ()
    forgotten_keys: tuple[tuple[str, int], ...] = ()  # clients, and up to which of their keys

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        kept = self.events or self.workers or self.gone_workers
        return not (kept or self.key_runs or self.forgotten_keys)


@dataclass(slots=True)
class Snapshot:
    """What a store hands to a new ledger."""

    ledger_id: str
    epoch: int
    next_seq: int = 1
    latest: float = 0.0
    jobs: list[Job] = field(default_factory=list)  # live ones only, oldest first
    workers: list[WorkerRow] = field(default_factory=list)
    keys: Iterable[KeyRun] = ()
    totals: Totals = field(default_factory=Totals)
    job_types: tuple[str, ...] = ()


class Archive(Protocol):
    """Where the ledger asks about jobs that have left its memory: committed ones only."""

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""

    def find_key(self, key: str) -> Job | None:
        """The job that was submitted under this user's key."""
