"""Ready for size: thousands of workers and a million jobs through the real ledger.

A simpler world than the others: nothing is lost on the way and commits take no time, so that
what comes out can be held against queueing theory. Jobs arrive as a Poisson process and run
for exponentially distributed times on ``workers`` workers of one slot: an M/M/c queue, whose
waits are known (Erlang C). Workers die now and then, each as a Poisson process as well, and
others take their places; a run of a job is then cut short with a known probability, so the
expected number of re-queues is known, too. (Agner Erlang, 1917; Leonard Kleinrock, *Queueing
Systems*, 1975, volume 1, section 3.5.)
"""

import random
import resource
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heapreplace
from math import sqrt

from nucleus.core.catalog import Check
from nucleus.core.events import JobLeased, WorkerLost
from nucleus.core.job import Job, JobSpec, Order
from nucleus.core.ledger import TICK, Ledger
from nucleus.core.limits import Limits
from nucleus.core.outbox import Outbox
from nucleus.core.snapshot import Changes
from nucleus.core.worker import Beat, Credit, Hello, Report, Reports
from nucleus.sim.world import START, World
from nucleus.stores.memory import MemoryDisk, MemoryStore

HEARTBEAT = 3.0  # seconds
KIND = "work"
LIKE = JobSpec(KIND, "1", max_attempts=100)
WARM_UP = 15.0  # mean runs until the queue has forgotten that it began empty
CLIENT = "load"
REPLICAS = 8  # of the bare queue: how far apart runs of this length are, all by themselves
SHOWN = 0.25  # simulated seconds between two looks at how far it is


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what."""

    workers: int
    jobs: int
    run_seconds: float = 1.0  # of a job, on average
    life: float = 1_000.0  # seconds until a worker dies, on average
    seed: int = 0
    busy: float | None = None  # share of the workers' time, below 1; None: as suits their number
    warm_up: float = WARM_UP  # mean runs whose jobs are not judged
    begin_busy: bool = False  # with as many jobs as run on average, so that nothing has to fill up

    @property
    def utilisation(self) -> float:
        """Of the workers: so high that waits matter, so low that a run can show their mean.

        One less a part in the square root of the servers (Shlomo Halfin and Ward Whitt, 1981),
        unless ``busy`` says otherwise.
        """
        return 1 - 1 / sqrt(self.workers + 1) if self.busy is None else self.busy

    @property
    def at_once(self) -> int:
        """Jobs that come in the first moment, and are not judged.

        An exponential run does not remember when it began. So workers that all begin now are
        like workers that have been at it for long.
        """
        return round(self.utilisation * self.workers) if self.begin_busy else 0

    @property
    def rate(self) -> float:
        """Arrivals a second."""
        return self.utilisation * self.workers / self.run_seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured, and what theory says. Times in seconds."""

    load: Load
    waited: float  # share of the jobs that had to wait
    waited_theory: float
    wait: float  # on average, also of those that did not
    wait_theory: float
    bare: tuple[tuple[float, float], ...]  # the same two, of as long runs of a bare M/M/c queue
    requeued: int
    requeued_theory: float
    lost: int  # workers
    events: int  # of the ledger
    steps: int  # entries of the agenda
    simulated: float
    seconds: float  # that it took
    work: float  # seconds of one core
    memory: int  # bytes, at most

    @property
    def requeued_sigmas(self) -> float:
        """How far the re-queues are from what was expected, in standard deviations."""
        return (self.requeued - self.requeued_theory) / sqrt(max(1.0, self.requeued_theory))


def erlang_c(servers: int, offered: float) -> float:
    """The probability that a job has to wait, with ``offered`` = arrival rate × mean run.

    By the recursion of Erlang B, which stays between 0 and 1 however many servers there are.
    """
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    share = offered / servers
    return blocked / (1 - share + share * blocked)


def mean_wait(servers: int, offered: float, run_seconds: float = 1.0) -> float:
    """Seconds that a job of an M/M/c queue waits, on average, also if it need not.

    ``offered`` = arrival rate × mean run, the number of servers that are busy on average, is
    below ``servers``: otherwise there is no mean.
    """
    return erlang_c(servers, offered) * run_seconds / (servers - offered)


class Model:
    """The world of one load."""

    def __init__(self, load: Load) -> None:
        self.world = World(load.seed)
        self._load = load
        self._judged_after = START + load.warm_up * load.run_seconds
        self._rng = self.world.generator("load")
        self._store = MemoryStore(MemoryDisk(f"scale{load.seed}"))
        self._store_ledger()
        self._alive: dict[str, Credit] = {}  # by incarnation, which is the name as well
        self._born = 0
        self.submitted = 0
        self.events = 0
        self.lost = 0
        self.waits = array("d")  # of jobs submitted after the warm-up
        for _ in range(load.workers):
            self._join()
        if load.at_once:
            self._submit(load.at_once)
        self.world.after(TICK, self._tick)
        self.world.after(self._rng.expovariate(load.rate), self._arrive)

    def _store_ledger(self) -> None:
        limits = Limits(max_queued=self._load.jobs)
        self._ledger = Ledger(self._store.load(), self._store, NoCatalog(), limits, self.world.now)
        self._outbox: Outbox[None] = Outbox(self._ledger)
        self._ledger.serve(self.world.now)

    # ---- what happens -----------------------------------------------------------------

    def _arrive(self) -> None:
        self._submit(1)
        if self.submitted < self._load.jobs:
            self.world.after(self._rng.expovariate(self._load.rate), self._arrive)

    def _submit(self, jobs: int) -> None:
        order = Order(LIKE, (LIKE.payload,) * jobs, self.submitted + 1)
        self._ledger.submit_order(order, CLIENT, self.world.now)
        self.submitted += jobs
        self._commit()

    def _join(self) -> None:
        self._born += 1
        name = f"w{self._born}"
        self._alive[name] = credit = Credit(1, 1)
        self._ledger.open_session(Hello(name, name, 1, 1, credit, (KIND,), ()), self.world.now)
        self.world.after(self._rng.uniform(0, HEARTBEAT), partial(self._beat, name))
        self.world.after(self._rng.expovariate(1 / self._load.life), partial(self._die, name))

    def _die(self, name: str) -> None:
        """The connection of the dead ends at once, its lease when it was silent for too long."""
        del self._alive[name]
        self._ledger.close_session(name, name, 1)
        self._join()
        self._commit()

    def _beat(self, name: str) -> None:
        if credit := self._alive.get(name):
            self._ledger.heartbeat(Beat(name, name, 1, credit), self.world.now)
            self.world.after(HEARTBEAT, partial(self._beat, name))

    def _finish(self, name: str, job_id: str, lease: int, seconds: float) -> None:
        if name in self._alive:
            report = Report(job_id, lease, result="1", run_seconds=seconds)
            self._ledger.report(Reports(name, name, (report,)), self.world.now)
            self._commit()

    def _tick(self) -> None:
        self._ledger.tick(self.world.now)
        self._commit()
        self.world.after(TICK, self._tick)

    # ---- what the ledger answers ------------------------------------------------------

    def _commit(self) -> None:
        batch = self._outbox.begin(self.world.now)
        if batch is None:
            return
        if not batch.empty:
            self._store.stage(batch)
            self._store.commit()
        self._take(batch)
        self._outbox.committed()

    def _take(self, batch: Changes) -> None:
        self.events += len(batch.events)
        for event in batch.events:
            if type(event) is JobLeased:
                job = self._ledger.in_memory(event.job_id)
                if job is not None:
                    self._started(event, job)
            elif type(event) is WorkerLost:
                self.lost += 1

    def _started(self, event: JobLeased, job: Job) -> None:
        if not job.attempts and job.submitted_at > self._judged_after:
            self.waits.append(event.at - job.submitted_at)
        seconds = self._rng.expovariate(1 / self._load.run_seconds)
        finish = partial(self._finish, event.worker, event.job_id, event.seq, seconds)
        self.world.after(seconds, finish)

    @property
    def ended(self) -> int:
        """Jobs that are done."""
        return sum(self._ledger.totals.finished.values())

    @property
    def requeued(self) -> int:
        """Leases that a dead worker took with it."""
        return self._ledger.totals.requeued.get("worker_lost", 0)


class NoCatalog:
    """Knows no job type but what workers offer."""

    def names(self) -> tuple[str, ...]:
        """No names."""
        return ()

    def checker(self, job_type: str) -> Check:
        """Every payload is fine."""
        return lambda payload: None

    def check_result(self, result: str) -> None:
        """Every result is fine."""


def run_load(load: Load, show: Callable[[int], object] = lambda ended: None) -> Outcome:
    """Run ``load`` until every job has ended; ``show`` is told how many have, now and then."""
    began, worked = time.perf_counter(), time.process_time()
    model = Model(load)
    while model.ended < load.jobs:
        model.world.run(model.world.now + SHOWN)
        show(model.ended)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    offered = load.utilisation * load.workers
    waits = model.waits
    return Outcome(
        load,
        waited=sum(wait > 0 for wait in waits) / max(1, len(waits)),
        waited_theory=erlang_c(load.workers, offered),
        wait=sum(waits) / max(1, len(waits)),
        wait_theory=mean_wait(load.workers, offered, load.run_seconds),
        bare=tuple(bare_queue(load, replica) for replica in range(REPLICAS)),
        requeued=model.requeued,
        # Death and the end of a run are two exponential clocks: see the module's sources.
        requeued_theory=load.jobs * load.run_seconds / load.life,
        lost=model.lost,
        events=model.events,
        steps=model.world.steps,
        simulated=model.world.now - START,
        seconds=seconds,
        work=work,
        memory=_memory(),
    )


def bare_queue(load: Load, seed: int) -> tuple[float, float]:
    """The same load on a bare M/M/c queue: the share that waited, and the mean wait in seconds."""
    rng = random.Random(f"bare/{seed}")
    free_at = [0.0] * load.workers  # when each server has done what it was given: a heap
    for _ in range(load.at_once):
        heapreplace(free_at, rng.expovariate(1 / load.run_seconds))
    now = total = 0.0
    judged = waited = 0
    for _ in range(load.jobs - load.at_once):
        now += rng.expovariate(load.rate)
        begins = max(now, free_at[0])
        heapreplace(free_at, begins + rng.expovariate(1 / load.run_seconds))
        if now > load.warm_up * load.run_seconds:
            judged += 1
            waited += begins > now
            total += begins - now
    return waited / max(1, judged), total / max(1, judged)


def _memory() -> int:
    """Bytes that this process has held at most."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
