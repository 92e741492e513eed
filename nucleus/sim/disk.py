"""The simulated disk, and the threads that wait for it.

What the master's store threads do takes simulated time. Until a commit has reached the disk
a crash of the master loses all of it; afterwards nothing does. The store is the real memory
store, on a disk that outlives its masters.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from nucleus.core.errors import CommitFailed
from nucleus.core.events import Event
from nucleus.core.job import JOB_FIELDS, Job
from nucleus.core.lifecycle import Status
from nucleus.core.retention import Retention
from nucleus.core.snapshot import Changes, Snapshot
from nucleus.history.history import Tables
from nucleus.history.observations import Committed, Trimmed
from nucleus.sim.loop import ProcessLoop
from nucleus.sim.network import Spells
from nucleus.sim.world import World
from nucleus.stores.memory import MemoryDisk, MemoryStore

# Seconds that half a call takes: the quickest one is too slow for the master's loop to wait for it
# (``QUICK`` in ``nucleus.services.master.engine``), so that much can happen meanwhile.
QUICKEST, SLOWEST = 0.0005, 0.02
STUCK = (0.3, 3.0)  # seconds that a slow disk adds


class Disk:
    """What outlives the masters."""

    def __init__(self, world: World, ledger_id: str, retention: Retention) -> None:
        self.world = world
        self.memory = MemoryDisk(ledger_id)
        self.retention = retention
        self.spells = Spells("store")
        self.owner: SimStore | None = None  # who has it open, and may be in a transaction

    def tables(self) -> Tables:
        """What is on it."""
        rows = (dict(zip(JOB_FIELDS, row, strict=True)) for row in self.memory.rows.values())
        return Tables(tuple(rows), self.memory.totals)


class SimStore(MemoryStore):
    """The memory store as if it had a disk: what is staged can be lost, and calls can fail."""

    on_disk = True

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.memory, disk.retention)
        self._world, self._spells, self._held = disk.world, disk.spells, disk
        self._lost = False  # another opened the disk while a batch was staged

    def load(self) -> Snapshot:
        """Take the disk over; a transaction that somebody else has open is rolled back."""
        if self._spells.hit("refused-commit"):
            raise CommitFailed("the disk is full", definite=True)
        owner = self._held.owner
        if owner is not None and owner is not self and owner._staged is not None:
            owner._lost = True
        snapshot = super().load()
        self._held.owner = self
        return snapshot

    def stage(self, changes: Changes) -> None:
        """Write ``changes``; nothing is durable yet."""
        if self._spells.hit("refused-commit"):
            raise CommitFailed("the disk is full", definite=True)
        super().stage(changes)

    def commit(self) -> None:
        """Make what is staged durable; when that fails, it may have happened."""
        if self._lost:
            self._staged, self._lost = None, False
            raise CommitFailed("the transaction was rolled back", definite=False)
        spell = self._spells.hit("failed-commit")
        if spell is not None and spell.rng.random() < 0.5:
            self._staged = None
        else:
            super().commit()
        if spell is not None:
            raise CommitFailed("the disk did not answer", definite=False)

    def _keep(self, changes: Changes) -> None:
        first = self._disk.first_seq
        super()._keep(changes)
        now = self._world.now
        for event in changes.events:
            self._world.saw(Committed(now, event, self._epoch))
        if self._disk.first_seq > first:
            self._world.saw(Trimmed(now, self._disk.first_seq))
            self._world.fired["retention"] += 1

    def _read(self) -> None:
        if self._spells.hit("failed-read"):
            raise CommitFailed("the disk cannot be read", definite=True)

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""
        self._read()
        return super().find(job_id)

    def find_key(self, key: str) -> Job | None:
        """The job submitted under this key."""
        self._read()
        return super().find_key(key)

    def page(
        self, after: int, limit: int, statuses: frozenset[Status], *, newest_first: bool = False
    ) -> tuple[list[Job], bool]:
        """A page of jobs, and whether there are more."""
        self._read()
        return super().page(after, limit, statuses, newest_first=newest_first)

    def history(self, from_seq: int, limit: int) -> list[Event]:
        """A page of events."""
        self._read()
        return super().history(from_seq, limit)


class DiskThreads:
    """In place of the store's threads: calls take simulated time, and die with their process."""

    def __init__(self, disk: Disk, loop: ProcessLoop, rng: random.Random) -> None:
        self._disk, self._loop, self._rng = disk, loop, rng
        self._free_at = 0.0  # one call after the other

    def __call__(self, answer: "asyncio.Future[Any]", function: Callable[[], Any]) -> None:
        """Call ``function`` at the disk, and set ``answer`` a little later."""
        world = self._disk.world
        self._free_at = max(world.now, self._free_at) + self._rng.uniform(QUICKEST, SLOWEST)
        if spell := self._disk.spells.hit("slow-store"):
            self._free_at += spell.rng.uniform(*STUCK)
        world.at(self._free_at, partial(self._reach, answer, function))

    def _reach(self, answer: "asyncio.Future[Any]", function: Callable[[], Any]) -> None:
        if not self._loop.alive:
            return  # the process died: what had not reached the disk is lost
        if self._loop.frozen:  # its threads stand still as well
            self._disk.world.at(self._loop.awake_at, partial(self._reach, answer, function))
            return
        value: Any
        try:
            value, settle = function(), answer.set_result
        except Exception as error:
            value, settle = error, answer.set_exception
        tell = partial(self._loop.call_soon, lambda: answer.done() or settle(value))
        self._disk.world.after(self._rng.uniform(QUICKEST, SLOWEST), tell)
