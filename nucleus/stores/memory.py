"""A store without a disk: for lessons, tests and the simulator.

A :class:`MemoryDisk` is what would be the file. It outlives the store objects on it, so a
simulated master can crash and another can take over.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter
from typing import Any

from nucleus.core.errors import Fenced
from nucleus.core.events import ENDINGS, Event, JobSubmitted
from nucleus.core.job import JOB_FIELDS, Job, asked_of, job_from_row, job_number, row_with
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.core.retention import Past, Retention, weight_of
from nucleus.core.snapshot import Changes, KeyRun, Snapshot, Totals, WorkerRow
from nucleus.stores.numbers import NumbersByStatus
from nucleus.stores.pages import page_of

KEPT_EVENTS = 200_000  # whatever the retention: a store must not fill the memory
KEPT_JOBS = 100_000  # that have ended

_STATUS = JOB_FIELDS.index("status")
_KEY = JOB_FIELDS.index("key")
_seq = attrgetter("seq")


@dataclass(slots=True)
class MemoryDisk:
    """What was committed."""

    ledger_id: str
    epoch: int = 0
    next_seq: int = 1
    latest: float = 0.0
    totals: Totals = field(default_factory=Totals)
    job_types: tuple[str, ...] = ()
    rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)  # number -> Job.row()
    numbers: NumbersByStatus = field(default_factory=NumbersByStatus)  # of the jobs
    ended: int = 0  # how many of the jobs have ended
    keys: dict[str, int] = field(default_factory=dict)  # user's key -> number
    key_runs: dict[str, list[KeyRun]] = field(default_factory=dict)  # by client
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)  # with ascending seq
    first_seq: int = 1  # events before it were trimmed


class MemoryStore:
    """A store on a :class:`MemoryDisk`."""

    on_disk = False

    def __init__(self, disk: MemoryDisk, retention: Retention | None = None) -> None:
        self._disk = disk
        asked = retention or Retention()
        self._retention = Retention(
            asked.age, min(asked.jobs, KEPT_JOBS), min(asked.events, KEPT_EVENTS)
        )
        self._epoch = 0
        self._staged: Changes | None = None

    def load(self) -> Snapshot:
        """Begin a new epoch; only the first call takes the disk over."""
        disk = self._disk
        if self._epoch:
            self.check_epoch()
        disk.epoch += 1
        self._epoch = disk.epoch
        live = disk.numbers.walk(0, frozenset(Status) - TERMINAL, newest_first=False)
        return Snapshot(
            disk.ledger_id,
            disk.epoch,
            disk.next_seq,
            disk.latest,
            jobs=[job_from_row(row) for row in self._rows(live)],
            workers=list(disk.workers.values()),
            keys=[run for runs in disk.key_runs.values() for run in runs],
            totals=disk.totals.copy(),
            job_types=disk.job_types,
        )

    def stage(self, changes: Changes) -> None:
        """Hold ``changes`` until they are committed."""
        self.check_epoch()
        self._staged = changes

    def commit(self) -> None:
        """Keep what was staged."""
        changes, self._staged = self._staged, None
        if changes is not None:
            self._keep(changes)

    def _keep(self, changes: Changes) -> None:
        disk = self._disk
        asked = {e.seq: asked_of(e) for e in changes.events if isinstance(e, JobSubmitted)}
        for state in changes.states:
            self._keep_job(asked, state)
        disk.workers.update((row.name, row) for row in changes.workers)
        for name in changes.gone_workers:
            disk.workers.pop(name, None)
        for client, up_to in changes.forgotten_keys:  # first: it may have come back since
            self._forget_keys(client, up_to)
        for run in changes.key_runs:
            disk.key_runs.setdefault(run.client, []).append(run)
        disk.events.extend(changes.events)
        disk.totals, disk.job_types = changes.totals, changes.job_types
        disk.next_seq, disk.latest = changes.next_seq, changes.latest
        if self.overdue(changes.latest):
            self._trim(changes)

    def _keep_job(self, asked: Mapping[int, tuple[Any, ...]], state: tuple[Any, ...]) -> None:
        disk, number = self._disk, state[0]
        before = disk.rows.get(number)
        row = disk.rows[number] = row_with(before or asked[number], state)
        status = row[_STATUS]
        if before is None or before[_STATUS] != status:
            if before is not None:
                disk.numbers.remove(before[_STATUS], number)
            disk.numbers.add(status, number)
            disk.ended += status in TERMINAL
        if row[_KEY]:
            disk.keys[row[_KEY]] = number

    def _drop_job(self, number: int) -> None:
        disk = self._disk
        row = disk.rows.pop(number)
        disk.numbers.remove(row[_STATUS], number)
        disk.ended -= 1
        disk.keys.pop(row[_KEY], None)

    def _forget_keys(self, client: str, up_to: int) -> None:
        runs = self._disk.key_runs.pop(client, [])
        kept = [run for run in runs if run.first_seq + run.count - 1 > up_to]
        if kept:
            self._disk.key_runs[client] = kept

    def _trim(self, changes: Changes) -> None:
        disk = self._disk
        added = weight_of(changes.events)
        gone = self._retention.let_go(
            map(_past, disk.events), changes.latest, disk.ended, disk.next_seq, added
        )
        del disk.events[: bisect_left(disk.events, gone.first_seq, key=_seq)]
        disk.first_seq = gone.first_seq
        for number in gone.ended:
            self._drop_job(number)

    def overdue(self, now: float) -> bool:
        """Whether more is kept than should be."""
        disk = self._disk
        oldest = disk.events[0].at if disk.events else inf
        return self._retention.exceeded(oldest, now, disk.ended, disk.next_seq - disk.first_seq)

    def check_epoch(self) -> None:
        """Raise ``Fenced`` when another master took the disk over."""
        if self._disk.epoch != self._epoch:
            raise Fenced(f"epoch {self._epoch} is over; epoch {self._disk.epoch} has begun")

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""
        row = self._disk.rows.get(job_number(job_id))
        return job_from_row(row) if row and row[0] == job_id else None

    def find_key(self, key: str) -> Job | None:
        """The job submitted under this key."""
        number = self._disk.keys.get(key)
        return job_from_row(self._disk.rows[number]) if number else None

    def page(
        self, after: int, limit: int, statuses: frozenset[Status], *, newest_first: bool = False
    ) -> tuple[list[Job], bool]:
        """A page of jobs, and whether there are more."""
        numbers = self._disk.numbers.walk(after, statuses, newest_first=newest_first)
        return page_of(self._rows(numbers), limit)

    def _rows(self, numbers: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        return map(self._disk.rows.__getitem__, numbers)

    def history(self, from_seq: int, limit: int) -> list[Event]:
        """A page of events."""
        start = bisect_left(self._disk.events, from_seq, key=_seq)
        return self._disk.events[start : start + limit]

    def first_seq(self) -> int:
        """The oldest sequence number from which the history is complete."""
        return self._disk.first_seq

    def close(self) -> None:
        """Nothing to let go of."""


def _past(event: Event) -> Past:
    ended = job_number(event.job_id) if isinstance(event, ENDINGS) else 0
    return event.seq, event.at, ended, 0  # dropping a reference to a text costs nothing
