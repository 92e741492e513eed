"""The simulated worker: the real service, on a simulated loop, network and executor."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nucleus.history.witness import WitnessSession
from nucleus.jobs import Registry
from nucleus.services.worker import Worker
from nucleus.sim.calls import Channel
from nucleus.sim.executor import SimExecutor
from nucleus.sim.network import Link, Spells
from nucleus.sim.world import Process, World


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
        self.session = WitnessSession(
            world.saw, lambda: world.now, name, self.incarnation, slots, job_types
        )
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
