"""The simulated cluster: its processes, and what the items of a plan do to them."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

import grpc.aio

from nucleus.core.limits import Limits
from nucleus.core.retention import Retention
from nucleus.core.rules import OURS, Rules
from nucleus.core.worker import Report, Reports
from nucleus.rpc import convert
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.sim.client import SimClient
from nucleus.sim.disk import Disk
from nucleus.sim.executor import RUN_SECONDS
from nucleus.sim.master import Master
from nucleus.sim.network import DOWN, UP, Spell, Spells
from nucleus.sim.plan import (
    Cancel,
    Item,
    Plan,
    Read,
    Retry,
    Submit,
    Trouble,
    spell,
)
from nucleus.sim.worker import SimWorker
from nucleus.sim.world import START, World

AWAY = (1.0, 1.0, 14.0, 14.0, 45.0)  # seconds until an ended worker returns: one of these at most
RETRY_START = 1.0  # seconds until a master that could not start is started again
HOUR = 3600.0  # seconds


async def _ignore(call: Awaitable[Any]) -> None:
    """Wait for an answer that nobody is interested in."""
    with suppress(grpc.aio.AioRpcError):
        await call


class Cluster:
    """Master, workers and clients of one world."""

    def __init__(self, world: World, plan: Plan, rules: Rules = OURS) -> None:
        self.world = world
        self._plan = plan
        self._team = plan.team
        self._rules = rules
        self._faults = plan.faults
        rng = world.generator("cluster")
        self.limits = Limits(max_queued=rng.choice(plan.team.max_queued))
        keeps = Retention(events=rng.choice((40, 120))) if "retention" in plan.faults else None
        self.disk = Disk(world, f"sim{world.seed}", keeps or Retention())
        self._everywhere = (*plan.team.workers, *plan.team.clients)
        self._spells = {name: Spells(name) for name in self._everywhere}
        self._lives: dict[str, int] = {}
        self._stale: dict[str, Master] = {}  # whose calls still go to a deposed master
        self.masters: list[Master] = []
        self.master = self._start_master()
        self.workers: dict[str, SimWorker] = {}
        self.clients: dict[str, SimClient] = {}
        self.everybody: list[SimClient] = []
        for name in self._team.workers:
            self._start_worker(name)
        for name in self._team.clients:
            self._start_client(name)

    def _life(self, name: str) -> int:
        self._lives[name] = self._lives.get(name, 0) + 1
        return self._lives[name]

    # ---- processes --------------------------------------------------------------------

    def _start_master(self) -> Master:
        life = self._life("master")
        ahead = 0.0
        if life > 1 and "master-clock" in self._faults:
            ahead = self.world.generator(f"clock/{life}").uniform(-100, 100)
            self.world.broke("master-clock", "master")
        self.master = Master(
            self.world,
            self.disk,
            self.limits,
            self._rules,
            life,
            ahead=ahead,
            ended=self._master_ended,
        )
        self.masters.append(self.master)
        return self.master

    def _master_ended(self, master: Master) -> None:
        self.world.after(RETRY_START, lambda: self._start_again(master))

    def _start_again(self, master: Master) -> None:
        if self.master is master and not master.alive:
            self._start_master()

    def _server(self, name: str) -> Master:
        stale = self._stale.get(name)
        if stale is not None and stale.alive:
            return stale
        return self.master

    def _start_worker(self, name: str) -> None:
        life = self._life(name)
        rng = self.world.generator(f"{name}/kind/{life}")
        kinds = list(RUN_SECONDS)
        if self._team.specialists and name != self._team.workers[0]:  # who can do everything
            kinds.remove(rng.choice(kinds))
        self.workers[name] = worker = SimWorker(
            self.world,
            name,
            life,
            slots=rng.randint(*self._team.slots),
            job_types=kinds,
            spells=self._spells[name],
            server=partial(self._server, name),
            ended=self._worker_ended,
        )
        if "worker-clock" in self._faults:
            worker.clock.ahead = rng.uniform(-HOUR, HOUR)
            self.world.broke("worker-clock", name)

    def _worker_ended(self, worker: SimWorker) -> None:
        delay = worker.rng.choice(AWAY) * worker.rng.random()
        self.world.after(delay, partial(self._replace, worker))

    def _replace(self, worker: SimWorker) -> None:
        if self.workers[worker.name] is worker:
            self._start_worker(worker.name)

    def _start_client(self, name: str) -> None:
        life = self._life(name)
        called = name if life == 1 else f"{name}.{life}"
        client = SimClient(self.world, called, self._spells[name], partial(self._server, name))
        self.clients[name] = client
        self.everybody.append(client)

    # ---- the plan ---------------------------------------------------------------------

    def schedule(self, kept: frozenset[int] | None) -> None:
        """Enter the items of the plan into the agenda, or only those ``kept``."""
        for number, item in enumerate(self._plan.items):
            if kept is None or number in kept:
                self.world.at(START + item.at, partial(self._do, number, item))

    def _do(self, number: int, item: Item) -> None:
        match item:
            case Submit(client=client, spec=spec):
                self.clients[client].submit(number, spec)
            case Cancel(of=of):
                self._owner(of).cancel(of)
            case Retry(of=of):
                self._owner(of).retry(of)
            case Read(client=client, what="list"):
                self.clients[client].list()
            case Read(client=client, what="count"):
                self.clients[client].count()
            case Read():
                self.master.scrape()
            case Trouble() if spell(item):
                self._cast(number, item)
            case Trouble():
                self._BLOWS[item.kind](self, number, item)

    def _owner(self, of: int) -> SimClient:
        submit = self._plan.items[of]
        assert isinstance(submit, Submit)
        return self.clients[submit.client]

    def _cast(self, number: int, item: Trouble) -> None:
        cast = Spell(self.world, item.kind, item.rate, self._plan.luck(number))
        if item.kind in ("slow-store", "refused-commit", "failed-commit", "failed-read"):
            places = [self.disk.spells]
        else:
            places = [self._spells[item.target]] if item.target else list(self._spells.values())
        for place in places:
            place.begin(cast)
            self.world.after(item.seconds, partial(place.end, cast))

    # ---- blows ------------------------------------------------------------------------

    def _cut(self, number: int, item: Trouble) -> None:
        process = self.workers.get(item.target) or self.clients[item.target]
        ways = [UP, DOWN]
        if item.kind == "one-way":
            ways.remove(self._plan.luck(number).choice(ways))
        self.world.broke(item.kind, item.target, item.seconds)
        for way in ways:
            process.link.cuts[way] += 1
            self.world.after(item.seconds, partial(self._heal, process.link.cuts, way))

    def _heal(self, cuts: dict[bool, int], way: bool) -> None:
        cuts[way] -= 1

    def _crash_worker(self, number: int, item: Trouble) -> None:
        worker = self.workers[item.target]
        if worker.alive:
            self.world.broke(item.kind, item.target)
            worker.crash()

    def _pause_worker(self, number: int, item: Trouble) -> None:
        worker = self.workers[item.target]
        if worker.alive:
            self.world.broke(item.kind, item.target, item.seconds)
            worker.freeze(item.seconds)

    def _replace_worker(self, number: int, item: Trouble) -> None:
        self._pause_worker(number, item)
        self._start_worker(item.target)

    def _dismiss_worker(self, number: int, item: Trouble) -> None:
        worker = self.workers[item.target]
        if worker.alive and not worker.loop.frozen:
            self.world.broke(item.kind, item.target)
            worker.leave()

    def _stray_report(self, number: int, item: Trouble) -> None:
        luck = self._plan.luck(number)
        thief, victim = self.workers[item.target], self.workers[luck.choice(self._team.workers)]
        if not thief.alive:
            return
        lease, job_id = 1, "nothing-0000000001"
        if victim is not thief and victim.session.given:
            lease, job_id = next(reversed(victim.session.given.items()))
        self.world.broke(item.kind, item.target)
        report = Report(job_id, lease, result=f'"forged by {thief.name}"')
        reports = Reports(thief.name, thief.incarnation, (report,))
        stub = JobQueueServiceStub(self.world.channels[thief.address])
        stray = stub.SendResults(convert.reports_to_message(reports), timeout=5.0)
        thief.loop.create_task(_ignore(stray))

    def _crash_master(self, number: int, item: Trouble) -> None:
        if self.master.alive:
            self.world.broke(item.kind, "master", item.seconds)
            self.master.die()
            self.world.after(item.seconds, partial(self._start_again, self.master))

    def _stop_master(self, number: int, item: Trouble) -> None:
        if self.master.alive and self.master.listening:
            self.world.broke(item.kind, "master")
            self.master.stop()

    def _pause_master(self, number: int, item: Trouble) -> None:
        if self.master.alive:
            self.world.broke(item.kind, "master", item.seconds)
            self.master.freeze(item.seconds)

    def _take_over(self, number: int, item: Trouble) -> None:
        """Another master begins; for some parts, the first is still the one that they reach."""
        old = self.master
        if not old.alive:
            return
        self.world.broke(item.kind, "master", item.seconds)
        luck = self._plan.luck(number)
        if luck.random() < 0.7:
            old.freeze(item.seconds)
        old.deposed = True
        for name in self._everywhere:
            if luck.random() < 0.5:
                self._stale[name] = old
        self._start_master()

    def _crash_client(self, number: int, item: Trouble) -> None:
        self.world.broke(item.kind, item.target)
        self.clients[item.target].crash()
        self._start_client(item.target)

    def _slow_client(self, number: int, item: Trouble) -> None:
        self.world.broke(item.kind, item.target, item.seconds)
        self.clients[item.target].freeze(item.seconds)

    _BLOWS: ClassVar[dict[str, Callable[["Cluster", int, Trouble], None]]] = {
        "partition": _cut,
        "one-way": _cut,
        "worker-crash": _crash_worker,
        "worker-pause": _pause_worker,
        "zombie": _pause_worker,
        "replaced": _replace_worker,
        "dismissed": _dismiss_worker,
        "stray-report": _stray_report,
        "master-crash": _crash_master,
        "master-stop": _stop_master,
        "master-pause": _pause_master,
        "take-over": _take_over,
        "client-crash": _crash_client,
        "slow-client": _slow_client,
    }

    def lose_ledger(self) -> None:
        """The master dies, and another with an empty disk stands at its address."""
        self.master.die()
        self.disk = Disk(self.world, f"{self.disk.memory.ledger_id}-other", self.disk.retention)
        self._start_master()

    # ---- the end ----------------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        """Whether everybody is content, and every job has ended."""
        if not all(client.content for client in self.everybody):
            return False
        return self.disk.memory.ended == len(self.disk.memory.rows)

    def last_look(self) -> None:
        """Read everything once more, now that nothing goes wrong."""
        client = self.clients[self._team.clients[0]]
        client.list()
        client.count()
        self.master.scrape()

    def close(self) -> None:
        """End everybody."""
        for process in (*self.masters, *self.workers.values(), *self.everybody):
            process.loop.die()
