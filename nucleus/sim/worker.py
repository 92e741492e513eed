"""The simulated worker: the real service, on a simulated loop, network and executor."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nucleus.core.worker import Assignment, Beat, Hello, Report, Reports
from nucleus.core.worker_session import WorkerSession
from nucleus.history.observations import Received, Stopped, Voided
from nucleus.jobs import Registry
from nucleus.services.worker import Worker
from nucleus.sim.calls import Channel
from nucleus.sim.executor import SimExecutor
from nucleus.sim.network import Link, Spells
from nucleus.sim.world import Process, World


class ObservedSession(WorkerSession):
    """The worker's session, and a diary of what the worker saw."""

    def __init__(self, world: World, name: str, incarnation: str, slots: int, types: Iterable[str]):
        super().__init__(name, incarnation, slots, types)
        self._world = world
        self._largest = 0  # credit window stated so far
        self.given: dict[int, str] = {}  # lease -> job, everything ever received

    def _state(self, credit: Any) -> None:
        if credit is not None:
            self._largest = max(self._largest, credit.window)

    def open(self, now: float) -> Hello:
        """Begin a new session."""
        hello = super().open(now)
        self._state(hello.credit)
        return hello

    def beat(self, now: float, begun: Iterable[int] | None = None, leaving: bool = False) -> Beat:
        """The next heartbeat."""
        beat = super().beat(now, begun, leaving)
        self._state(beat.credit)
        return beat

    def reports(self, now: float, limit: int = 1000) -> Reports | None:
        """The reports to send now."""
        reports = super().reports(now, limit)
        self._state(reports and reports.credit)
        return reports

    def received(self, session: int, jobs: Iterable[Assignment]) -> None:
        """Take leases in."""
        jobs = list(jobs)
        new = [job for job in jobs if job.lease not in self._held]
        super().received(session, jobs)
        for job in new:
            if job.lease in self._held:
                self.given[job.lease] = job.job_id
                who = self.name, self.incarnation, job.lease, job.job_id
                self._world.saw(Received(self._world.now, *who, self._largest))
                if job.lease in self._reports:
                    self._stop(job.lease, "released")

    def voided(self, leases: Iterable[int]) -> list[int]:
        """Hear that leases are void."""
        leases = list(leases)
        for lease in leases:
            self._world.saw(Voided(self._world.now, self.name, self.incarnation, lease))
        return super().voided(leases)

    def finished(self, report: Report, now: float) -> None:
        """A run ended."""
        if report.lease in self._running:
            outcome = "failed" if report.result is None else "completed"
            self._stop(report.lease, outcome, report.result or "")
        super().finished(report, now)

    def drain(self) -> None:
        """Take no more work."""
        for lease in self._waiting:
            if lease in self.given:
                self._stop(lease, "released")
        super().drain()

    def _let_go(self, lease: int) -> None:
        self._stop(lease, "voided")
        super()._let_go(lease)

    def _stop(self, lease: int, outcome: str, result: str = "") -> None:
        who = self.name, self.incarnation, lease, self.given[lease]
        self._world.saw(Stopped(self._world.now, *who, outcome, result))


class OnThisLoop:
    """The shape of ``LoopThread``: what is called from another thread comes to this loop."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call ``function`` on the loop, soon."""
        self._process.loop.call_soon(function, *args)


class SimWorker(Process):
    """One incarnation of a worker."""

    def __init__(
        self,
        world: World,
        name: str,
        life: int,
        *,
        slots: int,
        job_types: Iterable[str],
        spells: Spells,
        server: Callable[[], Any],
        ended: Callable[["SimWorker"], None],
    ) -> None:
        super().__init__(world, name, life)
        self.incarnation = f"{name}.{life}"
        self.link = Link(self, spells)
        self.session = ObservedSession(world, name, self.incarnation, slots, job_types)
        self._ended = ended
        executor = SimExecutor(
            self, self.incarnation, slots, spells, self.crash, can_stop=self.rng.random() < 0.5
        )
        self.address = f"sim:{self.incarnation}"
        world.channels[self.address] = Channel(self.link, server)
        self._service = service = Worker(
            self.address,
            name=name,
            slots=slots,
            executor="thread",
            registry=Registry(),
            on_given_up=lambda reason: self.crash(),
        )
        service._session, service._executor = self.session, executor
        service._clock = self.clock  # type: ignore[assignment]
        executor.start(partial(service._ended_anywhere, OnThisLoop(self)))  # type: ignore[arg-type]
        self.loop.create_task(service._start())

    def leave(self) -> None:
        """Finish what runs, hand the rest back, say goodbye, end."""
        if not self.session.draining:
            self.loop.create_task(self._leave())

    async def _leave(self) -> None:
        await self._service._leave(drain=self.rng.uniform(0.5, 10.0))
        self.crash()

    def crash(self) -> None:
        """Stop dead; somebody may start the next incarnation."""
        if self.alive:
            self.die()
            for stream in list(self.link.streams):
                stream.cut()
            self._ended(self)
