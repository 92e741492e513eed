"""One simulated run: a cluster, its work, a spell of bad weather, calm, and a verdict."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from nucleus.core.events import Event, JobFailed, JobRequeued, ResultRejected, WorkerLost
from nucleus.core.job import JobSpec, job_from_row
from nucleus.core.limits import Limits
from nucleus.core.news import Refused
from nucleus.core.worker import Report, Reports
from nucleus.sim.actors import RUN_SECONDS, SimClient, SimWorker
from nucleus.sim.judge import Judge
from nucleus.sim.master import Master, Rules
from nucleus.sim.world import START, Call, Process, PromiseBroken, Weather, World

STORM = 35.0  # seconds in which things go wrong
SUBMITTING = 25.0  # seconds in which jobs are submitted
CALM = 300.0  # seconds after the storm by which every job has ended
WORKERS = 3
CLIENTS = 2
JOBS = 30  # at most, for each client


@dataclass(frozen=True, slots=True)
class Run:
    """What happened."""

    seed: int
    history: list[Event]
    exercised: Counter[str]
    digest: str  # of the history, and of what the clients were told
    seconds: float  # simulated


@dataclass(slots=True)
class Summary:
    """What happened in many runs."""

    runs: int = 0
    jobs: int = 0
    exercised: Counter[str] = field(default_factory=Counter)


class Simulation:
    """The actors of one world, and what breaks them."""

    def __init__(self, seed: int, rules: Rules) -> None:
        self.world = World(seed)
        self._rng = self.world.rng
        self._rules = rules
        self._limits = Limits(max_queued=self._rng.choice((12, 1000)))
        self._pace = self._rng.uniform(1.0, 5.0)  # seconds between two misfortunes
        self._incarnations = 0
        self._running: dict[str, SimWorker] = {}
        self.workers: list[SimWorker] = []  # all incarnations
        self._start_master()
        for number in range(1, WORKERS + 1):
            self._start_worker(f"worker-{number}")
        self.clients = [SimClient(self.world, f"client-{n}") for n in range(1, CLIENTS + 1)]
        self._plan_work()
        self._plan_storm()

    # ---- the cluster ------------------------------------------------------------------

    def _start_master(self) -> None:
        server = Master(self.world, self._rules, self._limits, lambda _: self._start_master())
        self.master = self.world.server = server

    def _start_worker(self, name: str) -> None:
        self._incarnations += 1
        slots, kinds = self._rng.randint(1, 3), list(RUN_SECONDS)
        if name != "worker-1":  # which can do everything
            kinds.remove(self._rng.choice(kinds))
        incarnation = f"i{self._incarnations}"
        worker = SimWorker(self.world, name, incarnation, slots, kinds, self._worker_ended)
        self._running[name] = worker
        self.workers.append(worker)

    def _worker_ended(self, worker: SimWorker) -> None:
        delay = self._rng.choice((1.0, 14.0)) * self._rng.random()
        self.world.after(delay, lambda: self._replace_worker(worker.name))

    def _replace_worker(self, name: str) -> None:
        if not any(worker.alive for worker in self.workers if worker.name == name):
            self._start_worker(name)

    # ---- work -------------------------------------------------------------------------

    def _plan_work(self) -> None:
        for client in self.clients:
            for _ in range(self._rng.randint(JOBS // 3, JOBS)):
                submit = partial(client.submit, self._make_spec(), cancel=self._rng.random() < 0.2)
                self.world.at(START + self._rng.uniform(0, SUBMITTING), submit)
        self.world.at(START + SUBMITTING, lambda: self._burst())

    def _burst(self) -> None:
        for _ in range(10):
            self.clients[0].submit(JobSpec("quick", "1"), cancel=False)

    def _make_spec(self) -> JobSpec:
        rng = self._rng
        if rng.random() < 0.05:
            return JobSpec("quick", "1", key=f"key-{rng.randint(1, 3)}")
        kind = rng.choices([*RUN_SECONDS, "unknown"], (40, 30, 5, 10, 4, 2))[0]
        delay = rng.uniform(0, 5) if rng.random() < 0.1 else 0.0
        attempts = rng.choice((1, 3, 3))
        return JobSpec(kind, "1", rng.choice((0, 0, 0, 5)), delay, attempts)

    # ---- misfortunes ------------------------------------------------------------------

    def _plan_storm(self) -> None:
        misfortunes: tuple[tuple[Callable[[], None], int], ...] = (
            (self._crash_worker, 3),
            (self._freeze_worker, 4),
            (self._dismiss_worker, 3),
            (self._partition, 3),
            (self._crash_master, 2),
            (self._freeze_master, 2),
            (self._take_over, 1),
            (self._forge_report, 2),
        )
        time, end = START + self._rng.expovariate(1 / self._pace), START + STORM
        acts, weights = zip(*misfortunes, strict=True)
        while time < end:
            self.world.at(time, self._rng.choices(acts, weights)[0])
            time += self._rng.expovariate(1 / self._pace)
        self.world.at(end, self._calm)

    def _calm(self) -> None:
        self.world.weather = Weather()
        self.world.partitioned.clear()

    def _pick(self) -> SimWorker:
        return self._rng.choice(list(self._running.values()))

    def _crash_worker(self) -> None:
        worker = self._pick()
        if worker.alive:
            self.world.exercised["worker crash"] += 1
            worker.crash()

    def _freeze_worker(self) -> None:
        worker, seconds = self._pick(), self._rng.uniform(1, 20)
        worker.freeze(seconds)
        self.world.exercised["frozen worker"] += 1
        if seconds > self._limits.worker_timeout:
            self.world.exercised["zombie"] += 1
        if self._rng.random() < 0.2:  # somebody starts another under the same name
            self.world.exercised["replaced worker"] += 1
            self._start_worker(worker.name)

    def _dismiss_worker(self) -> None:
        self.world.exercised["dismissed worker"] += 1
        worker = self._pick()
        worker.perform(worker.leave)

    def _partition(self) -> None:
        actors: list[Process] = [*self._running.values(), *self.clients]
        name = self._rng.choice(actors).name
        self.world.exercised["partition"] += 1
        self.world.partitioned.add(name)
        heal = partial(self.world.partitioned.discard, name)
        self.world.after(self._rng.uniform(0.5, 15), heal)

    def _crash_master(self) -> None:
        if self.master.alive:
            self.world.exercised["master crash"] += 1
            self.master.die()
            self.world.after(self._rng.uniform(0.2, 8), self._start_master)

    def _freeze_master(self) -> None:
        self.world.exercised["frozen master"] += 1
        self.master.freeze(self._rng.uniform(0.5, 15))

    def _take_over(self) -> None:
        """Another master begins while this one stands still, and does not know it yet."""
        if self.master.alive:
            self.world.exercised["take-over"] += 1
            self.master.freeze(self._rng.uniform(0.1, 5))
            self._start_master()

    def _forge_report(self) -> None:
        """A report arrives for a lease that was given to somebody else, or for no job."""
        thief, victim = self._pick(), self._pick()
        lease, job_id = 1, "nothing-0000000001"
        if victim is not thief and victim.received:
            lease, job_id = next(reversed(victim.received.items()))
        report = Report(job_id, lease, result=f'"forged by {thief.name}"')
        reports = Reports(thief.name, thief.session.incarnation, (report,))
        Call(thief, lambda master, call: master.report(reports, call), lambda _: None)

    # ---- the end ----------------------------------------------------------------------

    def run(self) -> Run:
        """Let everything happen, and judge it."""
        self.world.run(START + STORM)
        while not self._quiet() and self.world.now < START + STORM + CALM:
            self.world.run(self.world.now + 1.0)
        Judge(self.world).judge(self.clients, self.workers)
        self._count()
        return self._record()

    def _quiet(self) -> bool:
        # A submit that was doubled on the way may be refused and taken in: its client is
        # content, and the job has to end all the same.
        jobs = [job_from_row(row) for row in self.world.disk.rows.values()]
        content = all(client.content for client in self.clients)
        return content and bool(jobs) and all(job.ended for job in jobs)

    def _count(self) -> None:
        exercised = self.world.exercised
        for event in self.world.disk.events:
            match event:
                case JobRequeued(reason=reason):
                    exercised[f"requeued: {reason}"] += 1
                case ResultRejected(reason=reason):
                    exercised[f"rejected: {reason}"] += 1
                case JobFailed(reason=reason):
                    exercised[f"job failed: {reason}"] += 1
                case WorkerLost(reason=reason):
                    exercised[f"worker lost: {reason}"] += 1
                case _:
                    exercised[type(event).__name__] += 1
        for news in (n for client in self.clients for told in client.told.values() for n in told):
            if isinstance(news, Refused):
                exercised[f"refused: {news.refusal.reason.name}"] += 1

    def _record(self) -> Run:
        history = list(self.world.disk.events)
        told = [sorted(client.told.items()) for client in self.clients]
        digest = hashlib.sha256(repr((history, told)).encode()).hexdigest()
        seconds = self.world.now - START
        return Run(self.world.seed, history, self.world.exercised, digest, seconds)


def simulate(seed: int, rules: Rules | None = None) -> Run:
    """Run the world of ``seed``; raise ``PromiseBroken`` when a promise was not kept."""
    simulation = Simulation(seed, rules or Rules())
    try:
        return simulation.run()
    except PromiseBroken:
        raise
    except Exception as error:
        promise = f"the core never raises for what a remote party does: {error!r}"
        raise simulation.world.break_promise(promise) from error


def run_seeds(seeds: Iterable[int], rules: Rules | None = None) -> Summary:
    """Run many worlds."""
    summary = Summary()
    for seed in seeds:
        run = simulate(seed, rules)
        summary.runs += 1
        summary.jobs += run.exercised["JobSubmitted"]
        summary.exercised.update(run.exercised)
    return summary
