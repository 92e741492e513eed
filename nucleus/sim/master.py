"""The simulated master: the real engine and the real service, in a process that can crash."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

import grpc

from nucleus.core.errors import CommitFailed, NucleusError
from nucleus.core.keys import Accepted
from nucleus.core.ledger import Ledger
from nucleus.core.limits import Limits
from nucleus.core.rules import Rules
from nucleus.history.observations import Abandoned, Beat, Counted, Serving
from nucleus.jobs import Registry
from nucleus.rpc.status import failed
from nucleus.services.master.catalog import RegistryCatalog
from nucleus.services.master.engine import Engine
from nucleus.services.master.metrics import MasterCollector
from nucleus.services.master.service import DRAIN
from nucleus.services.master.servicer import JobQueueService
from nucleus.sim.calls import Call, Code, Server, StreamCall
from nucleus.sim.disk import Disk, DiskThreads, SimStore
from nucleus.sim.seams import InOrder
from nucleus.sim.world import World

FROZEN_AFTER = Limits().frozen_after
T = TypeVar("T")


class ObservedEngine(Engine):
    """The engine; it tells of commands that were not committed, and of the jobs they made."""

    on_abandoned: Callable[[tuple[str, ...], bool], None]

    async def run(self, command: Callable[[Ledger, float], T]) -> T:
        """Run ``command``; return its answer once it is committed."""
        made: list[str] = []

        def observed(ledger: Ledger, now: float) -> T:
            answer = command(ledger, now)
            for outcome in answer if isinstance(answer, list) else [answer]:
                if isinstance(outcome, Accepted) and not outcome.duplicate:
                    made.append(outcome.job_id)
            return answer

        try:
            return await super().run(observed)
        except CommitFailed as failure:
            self.on_abandoned(tuple(made), failure.definite)
            raise


class Refused(Exception):
    """The service answered with a status."""

    def __init__(self, code: grpc.StatusCode, details: str, reason: Any) -> None:
        super().__init__(details)
        self.error = failed(code, details, tuple(reason))


class Context:
    """What a handler asks of gRPC."""

    def peer(self) -> str:
        """Who calls; there are too few here to tell them apart."""
        return ""

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> NoReturn:
        """End the call with a status."""
        raise Refused(code, details, trailing_metadata)


class Master(Server):
    """One life of a master on a disk."""

    def __init__(
        self,
        world: World,
        disk: Disk,
        limits: Limits,
        rules: Rules,
        life: int,
        *,
        ahead: float,
        ended: Callable[["Master"], None],
    ) -> None:
        super().__init__(world, "master", life)
        self.clock.ahead = ahead
        self.store = SimStore(disk)
        self.loop.threads = DiskThreads(disk, self.loop, self.rng)
        self._ended = ended
        self.deposed = False  # another has begun to lead, and this one need not know
        catalog = RegistryCatalog(Registry())
        self.engine = ObservedEngine(
            self.store,
            catalog,
            limits,
            self.clock,
            on_serving=self._serving,
            on_fenced=self._fenced,
            on_loaded=lambda jobs: None,
            rules=rules,
        )
        self.engine.on_abandoned = self._abandoned
        self.engine.watchers._all = InOrder()  # type: ignore[assignment]
        self._service = JobQueueService(self.engine, catalog)
        self._context = Context()
        self.loop.create_task(self._start())

    async def _start(self) -> None:
        try:
            await self.engine.start()
            self.listening = True
        except NucleusError:  # the process would exit, and somebody start it again
            self._end()

    def _end(self) -> None:
        self.die()
        self._ended(self)

    def stop(self) -> None:
        """Stop cleanly, as ``nucleus.services.master.service`` does: refuse, finish, let go."""
        self.listening = False
        self.loop.create_task(self._stop())

    async def _stop(self) -> None:
        self.engine.streams.close_all()
        self.engine.watchers.close_all()
        await asyncio.sleep(DRAIN)
        await self.engine.stop()
        self._end()

    async def _serving(self, serving: bool) -> None:
        if serving:
            self.world.saw(Serving(self.world.now, self.engine.outbox.ledger.epoch))

    def _abandoned(self, job_ids: tuple[str, ...], definite: bool) -> None:
        if not self.deposed:  # else another may have used the same numbers
            self.world.saw(Abandoned(self.world.now, job_ids, definite))

    def _fenced(self, reason: str) -> None:
        self.world.came_of_it["master fenced"] += 1
        self._end()

    def freeze(self, seconds: float) -> None:
        """Stand still; the workers are owed a fresh allowance afterwards."""
        super().freeze(seconds)
        if seconds > FROZEN_AFTER:
            self.world.after(seconds, self._woke)

    def _woke(self) -> None:
        if self.alive and not self.deposed and not self.loop.frozen:
            self.world.saw(Serving(self.world.now, epoch=0))

    # ---- answering --------------------------------------------------------------------

    def serve(self, call: Call) -> "asyncio.Task[None]":
        """Begin to answer ``call``."""
        return self.loop.create_task(self._serve(call))

    async def _serve(self, call: Call) -> None:
        method = getattr(self._service, call.method)
        try:
            if isinstance(call, StreamCall):
                async with aclosing(method(call.request, self._context)) as messages:
                    async for message in messages:
                        await call.write(message)
                call.answer(None)
            else:
                call.answer(await method(call.request, self._context))
        except Refused as refused:
            if refused.error.code() is Code.OUT_OF_RANGE:
                self.world.came_of_it["place in the history lost"] += 1
            call.answer(None, refused.error)
        except asyncio.CancelledError:
            pass
        except Exception as error:
            if not self.alive:  # what is left of a dead process is being collected
                return
            self.world.raised(f"master: {call.method}", error)
            call.answer(None, failed(Code.UNKNOWN, repr(error)))
        finally:
            if self.alive:
                self.done(call)

    def arrived(self, call: Call) -> None:
        """A heartbeat is heard, also by one that stands still, but by no stale master."""
        if call.method == "Heartbeat" and not self.deposed:
            beat = call.request
            self.world.saw(Beat(self.world.now, beat.worker, beat.incarnation))

    # ---- metrics ----------------------------------------------------------------------

    def scrape(self) -> None:
        """Read the metrics, as Monitoring is sent them."""
        if self.alive and self.listening:
            self.loop.create_task(self._scrape())

    async def _scrape(self) -> None:
        metrics = self.engine.metrics
        try:
            families, next_seq = await self.engine.run(
                lambda ledger, now: (
                    list(MasterCollector(ledger, metrics, now).collect()),
                    ledger.next_seq,
                )
            )
        except NucleusError:
            return
        value = {
            (sample.name, *sample.labels.values()): int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name in ("nucleus_jobs", "nucleus_jobs_submitted_total")
        }
        names = ("queued", "running", "completed", "failed", "cancelled")
        jobs = {name: value["nucleus_jobs", name] for name in names}
        submitted = value[("nucleus_jobs_submitted_total",)]
        self.world.saw(Counted(self.world.now, "metrics", submitted, **jobs, next_seq=next_seq))
