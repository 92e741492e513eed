"""Where the engine carries commits out: on its loop, or on a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from nucleus.core.job import JobSpec, Order
from nucleus.core.limits import Limits
from nucleus.core.snapshot import Changes
from nucleus.jobs import default_registry
from nucleus.services.common.clock import SystemClock
from nucleus.services.master.catalog import RegistryCatalog
from nucleus.services.master.engine import FEW, QUICK, Engine
from nucleus.sim.disk import QUICKEST
from nucleus.stores import MemoryDisk, MemoryStore

LOOP, THREAD = "on the loop", "on a thread"


class Disk(MemoryStore):
    """A store whose commits take ``seconds``; it notes where each was made that has jobs."""

    on_disk = True

    def __init__(self) -> None:
        super().__init__(MemoryDisk("engine"))
        self.seconds = 0.0
        self.commits: list[str] = []
        self._loop_thread = threading.current_thread()
        self._counts = False

    def stage(self, changes: Changes) -> None:
        """Note whether the batch has jobs."""
        super().stage(changes)
        self._counts = bool(changes.states)

    def commit(self) -> None:
        """Note which thread this is, and be slow."""
        if self._counts:
            here = threading.current_thread() is self._loop_thread
            self.commits.append(LOOP if here else THREAD)
        time.sleep(self.seconds)
        super().commit()


class Bench:
    """A running engine on such a disk."""

    def __init__(self) -> None:
        self.disk = Disk()
        catalog = RegistryCatalog(default_registry())
        self.engine = Engine(
            self.disk,
            catalog,
            Limits(),
            SystemClock(),
            on_serving=self._serving,
            on_fenced=lambda reason: None,
            on_loaded=lambda jobs: None,
        )

    async def _serving(self, serving: bool) -> None:
        """Nobody asks."""

    async def submit(self, jobs: int = 1, seconds: float = 0.0) -> str:
        """Submit ``jobs`` in one batch to a disk that takes ``seconds``; where it was written."""
        self.disk.seconds = seconds
        order = Order(JobSpec("Echo", ""), ["1"] * jobs)
        outcomes = await self.engine.run(lambda ledger, now: ledger.submit_order(order, "", now))
        assert len(outcomes) == jobs
        return self.disk.commits[-1]

    async def until_quick(self) -> None:
        """Go on until the disk was found to be quick; a busy machine may need some tries."""
        while await self.submit() is not LOOP:
            pass


def run(story: Callable[[Bench], Awaitable[None]]) -> None:
    """Run ``story(bench)`` with a running engine, and stop that."""

    async def all_of_it() -> None:
        bench = Bench()
        await bench.engine.start()
        try:
            await story(bench)
        finally:
            await bench.engine.stop()

    asyncio.run(asyncio.wait_for(all_of_it(), 60))


def test_a_small_commit_to_a_quick_disk_is_made_on_the_loop() -> None:
    async def story(bench: Bench) -> None:
        await bench.until_quick()
        assert bench.disk.commits[-1] is LOOP

    run(story)


def test_a_large_commit_is_made_on_a_thread() -> None:
    async def story(bench: Bench) -> None:
        await bench.until_quick()
        assert await bench.submit(jobs=FEW + 1) is THREAD

    run(story)


def test_a_disk_that_was_slow_keeps_the_loop_waiting_once() -> None:
    async def story(bench: Bench) -> None:
        await bench.until_quick()
        await bench.submit(seconds=5 * QUICK)
        assert await bench.submit(seconds=5 * QUICK) is THREAD
        assert await bench.submit(seconds=5 * QUICK) is THREAD
        await bench.until_quick()

    run(story)


def test_others_are_served_while_a_slow_disk_writes() -> None:
    async def story(bench: Bench) -> None:
        await bench.submit(seconds=0.2)
        writing = asyncio.create_task(bench.submit(seconds=0.2))
        turns = 0
        while not writing.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert await writing is THREAD
        assert turns > 1

    run(story)


def test_in_the_simulation_every_commit_takes_its_time() -> None:
    assert 2 * QUICKEST >= QUICK, "or nothing would ever happen while one is under way"
