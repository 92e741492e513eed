"""The master's engine: commands in, commits, and what leaves after them.

One event loop owns the ledger, so the ledger needs no lock. A command runs at once; its
caller waits until the commit that contains it (``nucleus.core.outbox``). Events that arrive
during one commit form the next batch. The rules are all in the core: here is only the
order in which things are carried out.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from nucleus.core.catalog import Catalog
from nucleus.core.clock import Clock
from nucleus.core.errors import CommitFailed, Fenced, NucleusError
from nucleus.core.events import JobLeased
from nucleus.core.job import Job
from nucleus.core.ledger import TICK, Ledger
from nucleus.core.limits import Limits
from nucleus.core.outbox import Outbox
from nucleus.core.rules import OURS, Rules
from nucleus.core.snapshot import Changes
from nucleus.rpc.backoff import Backoff
from nucleus.services.common.memory import no_collection
from nucleus.services.common.threads import DaemonThreads
from nucleus.services.master.metrics import OBSERVED, MasterMetrics
from nucleus.services.master.streams import Streams
from nucleus.services.master.watchers import Watchers
from nucleus.stores import Store

logger = logging.getLogger("nucleus.master")

QUICK = 0.001
"""Seconds. To wake another thread, and be woken by it, takes longer than a small commit to a quick
disk. So while commits take less than this the loop waits for the small ones itself."""

FEW = 100  # events of a small commit

T = TypeVar("T")
Effect = asyncio.Future[None]


class NotServing(NucleusError):
    """The master is starting, reloading its ledger, or stopping; try again."""


class Engine:
    """Owns the ledger of one master. Everything here runs on the event loop."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        limits: Limits,
        clock: Clock,
        *,
        on_serving: Callable[[bool], Awaitable[None]],
        on_fenced: Callable[[str], None],
        on_loaded: Callable[[int], None],
        rules: Rules = OURS,
    ) -> None:
        self.store = store
        self.metrics = MasterMetrics()
        self.streams = Streams()
        self.watchers = Watchers()
        self._catalog = catalog
        self._limits = limits
        self._rules = rules
        self._clock = clock
        self._on_serving = on_serving
        self._on_fenced = on_fenced
        self._on_loaded = on_loaded
        self._serving = False
        self._failed: CommitFailed | None = None  # the ledger is to be loaded again
        self._wake = asyncio.Event()
        self._disk = DaemonThreads(1, "nucleus-store")  # one writer, in order
        self._disk_is_quick = False  # the last commit was over within QUICK
        self._reading = DaemonThreads(2, "nucleus-read")
        self._tasks: list[asyncio.Task[None]] = []

    # ---- from the outside -------------------------------------------------------------

    async def start(self) -> None:
        """Load the ledger and serve."""
        await self._load()
        duties = (self._commit_for_ever(), self._tick_for_ever())
        self._tasks = [asyncio.create_task(self._guard(duty)) for duty in duties]

    async def run(self, command: Callable[[Ledger, float], T]) -> T:
        """Run ``command`` on the ledger now; return its answer once it is committed.

        Raises ``CommitFailed`` when it was not, as far as is known, and ``NotServing``.
        """
        self.check_serving()
        answer = self._carry_out(command)
        committed: Effect = asyncio.get_running_loop().create_future()
        self.outbox.hold(committed)
        self._wake.set()
        await committed
        return answer

    def _carry_out(self, command: Callable[[Ledger, float], T]) -> T:
        try:
            return command(self.outbox.ledger, self._clock.now())
        except Exception as error:  # a job could not be looked up, or a bug: it is half changed
            if not isinstance(error, CommitFailed):
                logger.exception("a bug in the ledger")
                error = CommitFailed(f"{type(error).__name__}: {error}", definite=True)
            self._failed, self._serving = error, False
            self._wake.set()
            raise error

    def check_serving(self) -> None:
        """Raise ``NotServing`` while the ledger is being loaded, and after the end."""
        if not self._serving:
            raise NotServing("the master is not serving; try again")

    def now_on(self) -> int:
        """The seq of the next event to be published."""
        return self._published

    async def read(self, read: Callable[[Store], T]) -> T:
        """Read from the store; raises ``NotServing``."""
        self.check_serving()
        return await self._off_loop(self._reading, read, self.store)

    async def _off_loop(self, threads: DaemonThreads, function: Callable[..., T], *args: Any) -> T:
        """Call ``function``; where a store has a disk, without holding up the loop."""
        if not self.store.on_disk:
            return function(*args)
        return await asyncio.get_running_loop().run_in_executor(threads, function, *args)

    async def stop(self) -> None:
        """Commit what is under way, and let go of everything."""
        self._serving = False
        self.streams.close_all()
        while self.outbox.committing:
            await asyncio.sleep(0.001)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for abandoned in self.outbox.abandon(commit_issued=False):
            _fail(abandoned.effect, NotServing("the master stops"))
        await self.let_go()

    async def crash(self) -> None:
        """Drop everything, as if the process had died: what is not committed is lost."""
        self._serving = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for abandoned in self.outbox.abandon(commit_issued=True):
            abandoned.effect.cancel()
        await self.let_go()

    async def let_go(self) -> None:
        """Close the store, after the commit that is under way, and end the threads."""
        await self._off_loop(self._disk, self.store.close)
        self._disk.shutdown()
        self._reading.shutdown()

    # ---- committing -------------------------------------------------------------------

    async def _load(self) -> None:
        with no_collection():
            snapshot = await self._off_loop(self._disk, self.store.load)
            now = self._clock.now()
            ledger = Ledger(snapshot, self.store, self._catalog, self._limits, now, self._rules)
        self._on_loaded(len(snapshot.jobs))
        self.outbox: Outbox[Effect] = Outbox(ledger)
        self._published = ledger.next_seq
        self.watchers.restart(self._published)
        ledger.serve(now)
        self._serving = True
        self._wake.set()
        await self._on_serving(True)

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._failed is not None:
                failure, self._failed = self._failed, None
                await self._reload(failure)
                continue
            batch = self.outbox.begin(self._clock.now())
            if batch is None:
                continue
            try:
                await self._commit(batch)
            except CommitFailed as failure:
                await self._reload(failure)

    async def _commit(self, batch: Changes) -> None:
        if batch.empty and not self.store.overdue(batch.latest):
            # Also an answer without changes must not come from a master that was replaced
            # while it was frozen; with the ticks, this looks at least every TICK.
            self.store.check_epoch()
        else:
            await self._write(batch)
            self._release_leases(batch)
        # Workers first, then watchers, then callers: a result is what somebody waits for longest.
        self._published = batch.next_seq
        self.watchers.publish((*batch.events, *batch.heartbeats), self._published)
        for effect in self.outbox.committed():
            if not effect.done():
                effect.set_result(None)

    async def _write(self, batch: Changes) -> None:
        began, events = self._clock.now(), len(batch.events)
        # The statements run here: on another thread each would hand the interpreter over.
        self.store.stage(batch)
        if self._disk_is_quick and events <= FEW:
            self.store.commit()
        else:
            await self._off_loop(self._disk, self.store.commit)
        seconds = self._clock.now() - began
        self._disk_is_quick = seconds < QUICK
        self.metrics.observe_commit(seconds, events)

    def _release_leases(self, batch: Changes) -> None:
        leased: defaultdict[str, list[Job]] = defaultdict(list)
        find, observe = self.outbox.ledger.in_memory, self.metrics.observe
        for event in batch.events:
            if isinstance(event, OBSERVED) and (job := find(event.job_id)):
                observe(event, job)
                # A lease that was voided while it was being committed is not worth sending.
                if type(event) is JobLeased and job.lease == event.seq:
                    leased[event.worker].append(job)
        for worker, jobs in leased.items():
            self.streams.send(worker, jobs)

    async def _reload(self, failure: CommitFailed) -> None:
        """Fail-stop: throw the ledger away, and load it again under a new epoch."""
        logger.error("a commit failed, the ledger is loaded again: %s", failure)
        self._serving, self._failed = False, None
        await self._on_serving(False)
        self.streams.close_all()
        for abandoned in self.outbox.abandon(commit_issued=not failure.definite):
            _fail(abandoned.effect, CommitFailed(str(failure), definite=abandoned.definite))
        backoff = Backoff(logger, "the store cannot be loaded")
        while not self._serving:
            try:
                await self._load()
                backoff.succeeded()
            except Fenced:
                raise
            except (NucleusError, OSError) as error:
                await asyncio.sleep(backoff.failed(error))

    async def _guard(self, duty: Coroutine[Any, Any, None]) -> None:
        """Stop serving when a duty ends: callers would wait for its answers for ever."""
        try:
            await duty
        except Fenced as fenced:
            logger.error("this master was replaced and stops: %s", fenced)
            await self._give_up(str(fenced))
        except Exception as error:
            logger.exception("a bug ended the master")
            await self._give_up(f"{type(error).__name__}: {error}")

    async def _give_up(self, reason: str) -> None:
        self._serving = False
        await self._on_serving(False)
        self.streams.close_all()
        self.watchers.close_all()
        for abandoned in self.outbox.abandon(commit_issued=False):
            _fail(abandoned.effect, NotServing(reason))
        self._on_fenced(reason)

    # ---- the passing of time ----------------------------------------------------------

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            # After a freeze the loop has requests to read first: a heartbeat that has
            # arrived must be heard before silence is judged.
            for _ in range(4):
                await asyncio.sleep(0)
            if self._serving:
                self.outbox.ledger.tick(self._clock.now())
                self._wake.set()


def _fail(effect: Effect, error: NucleusError) -> None:
    if not effect.done():
        effect.set_exception(error)
