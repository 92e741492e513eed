"""A store without a disk: for lessons, tests and the simulator.

A :class:`MemoryDisk` is what would be the file. It outlives the store objects on it, so a
simulated master can crash and another can take over.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from nucleus.core.errors import Fenced
from nucleus.core.events import Event
from nucleus.core.job import JOB_FIELDS, Job, job_from_row, make_job_id
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.core.snapshot import Changes, KeyRun, Snapshot, Totals, WorkerRow

KEPT_EVENTS = 200_000
KEPT_ENDED_JOBS = 100_000

_NUMBER = JOB_FIELDS.index("number")
_STATUS = JOB_FIELDS.index("status")
_KEY = JOB_FIELDS.index("key")


@dataclass(slots=True)
class MemoryDisk:
    """What was committed."""

    ledger_id: str
    epoch: int = 0
    next_seq: int = 1
    latest: float = 0.0
    totals: Totals = field(default_factory=Totals)
    job_types: tuple[str, ...] = ()
    rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # job id -> Job.row()
    numbers: list[int] = field(default_factory=list)  # of all jobs, ascending
    ended: deque[str] = field(default_factory=deque)  # ids, in the order in which they ended
    keys: dict[str, str] = field(default_factory=dict)  # user's key -> job id
    key_runs: dict[str, list[KeyRun]] = field(default_factory=dict)  # by client
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))


class MemoryStore:
    """A store on a :class:`MemoryDisk`."""

    on_disk = False

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self._epoch = 0
        self._staged: Changes | None = None

    def load(self) -> Snapshot:
        """Begin a new epoch; only the first call takes the disk over."""
        disk = self._disk
        if self._epoch:
            self.check_epoch()
        disk.epoch += 1
        self._epoch = disk.epoch
        jobs = [job_from_row(row) for row in disk.rows.values()]
        return Snapshot(
            disk.ledger_id,
            disk.epoch,
            disk.next_seq,
            disk.latest,
            jobs=[job for job in jobs if not job.ended],
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
        for row in changes.jobs:
            self._keep_job(row)
        disk.workers.update((row.name, row) for row in changes.workers)
        for name in changes.gone_workers:
            disk.workers.pop(name, None)
        for run in changes.key_runs:
            disk.key_runs.setdefault(run.client, []).append(run)
        for client, up_to in changes.forgotten_keys:
            self._forget_keys(client, up_to)
        disk.events.extend(changes.events)
        disk.totals, disk.job_types = changes.totals, changes.job_types
        disk.next_seq, disk.latest = changes.next_seq, changes.latest
        self._trim()

    def _keep_job(self, row: tuple[Any, ...]) -> None:
        disk, job_id = self._disk, row[0]
        if job_id not in disk.rows:
            disk.numbers.append(row[_NUMBER])
        disk.rows[job_id] = row
        if row[_KEY]:
            disk.keys[row[_KEY]] = job_id
        if row[_STATUS] in TERMINAL:
            disk.ended.append(job_id)

    def _forget_keys(self, client: str, up_to: int) -> None:
        runs = self._disk.key_runs.pop(client, [])
        kept = [run for run in runs if run.first_seq + run.count - 1 > up_to]
        if kept:
            self._disk.key_runs[client] = kept

    def _trim(self) -> None:
        disk = self._disk
        while len(disk.ended) > KEPT_ENDED_JOBS:
            row = disk.rows.pop(disk.ended.popleft())
            disk.keys.pop(row[_KEY], None)
        if len(disk.numbers) > 2 * len(disk.rows) + 1000:
            disk.numbers = sorted(row[_NUMBER] for row in disk.rows.values())

    def check_epoch(self) -> None:
        """Raise ``Fenced`` when another master took the disk over."""
        if self._disk.epoch != self._epoch:
            raise Fenced(f"epoch {self._epoch} is over; epoch {self._disk.epoch} has begun")

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""
        row = self._disk.rows.get(job_id)
        return job_from_row(row) if row else None

    def find_key(self, key: str) -> Job | None:
        """The job submitted under this key."""
        job_id = self._disk.keys.get(key)
        return self.find(job_id) if job_id else None

    def page(self, after: int, limit: int, statuses: frozenset[Status]) -> list[Job]:
        """At most ``limit`` jobs with a number above ``after``, oldest first."""
        numbers, jobs = self._disk.numbers, []
        for place in range(bisect_right(numbers, after), len(numbers)):
            job = self.find(make_job_id(self._disk.ledger_id, numbers[place]))
            if job is not None and (not statuses or job.status in statuses):
                jobs.append(job)
            if len(jobs) == limit:
                break
        return jobs

    def history(self, from_seq: int, limit: int) -> list[Event]:
        """At most ``limit`` events from ``from_seq`` on."""
        events = [event for event in list(self._disk.events) if event.seq >= from_seq]
        return events[:limit]

    def first_seq(self) -> int:
        """The oldest sequence number from which the history is complete."""
        events = self._disk.events
        return events[0].seq if len(events) == KEPT_EVENTS else 1

    def close(self) -> None:
        """Nothing to let go of."""
