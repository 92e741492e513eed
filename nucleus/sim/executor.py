"""The simulated executor: jobs are waits, with a result that names who made it."""

import json
from collections.abc import Callable, Sequence
from functools import partial

from nucleus.core.worker import Assignment, Report
from nucleus.history.observations import Started
from nucleus.services.worker.executors import OnEnded
from nucleus.services.worker.executors.base import QUEUED_AHEAD, label
from nucleus.sim.network import Spells
from nucleus.sim.world import Process

RUN_SECONDS = {  # shortest and longest run of each kind of job
    "quick": (0.001, 0.02),
    "slow": (1.0, 8.0),
    "failing": (0.01, 0.5),
    "flaky": (0.01, 1.0),
    "killer": (0.01, 0.5),
}
SLOWNESS = (2.0, 6.0)  # times as long, on a worker that is slow


class SimExecutor:
    """Runs ``slots`` jobs at once, in order; some kinds of executor cannot stop a job."""

    def __init__(
        self,
        process: Process,
        incarnation: str,
        slots: int,
        spells: Spells,
        crash: Callable[[], None],
        *,
        can_stop: bool,
    ) -> None:
        self.slots = slots
        self.capacity = slots + QUEUED_AHEAD if can_stop else slots
        self._process, self._incarnation, self._spells = process, incarnation, spells
        self._crash = crash
        self._can_stop = can_stop
        self._waiting: dict[int, Assignment] = {}
        self._running: dict[int, Assignment] = {}  # also those given up on
        self._given_up: set[int] = set()  # of the running: reported, and they go on
        self._on_ended: OnEnded | None = None

    @property
    def running(self) -> tuple[int, ...]:
        """The leases whose jobs run now."""
        return tuple(self._running)

    @property
    def blocked(self) -> int:
        """Slots taken by timed-out jobs that go on."""
        return len(self._given_up)

    def start(self, on_ended: OnEnded) -> None:
        """Report ends to ``on_ended`` from now on."""
        self._on_ended = on_ended

    def submit(self, tasks: Sequence[Assignment]) -> None:
        """Run ``tasks`` in turn."""
        self._waiting.update((task.lease, task) for task in tasks)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            self._begin(self._waiting.pop(next(iter(self._waiting))))

    def _begin(self, task: Assignment) -> None:
        world, rng = self._process.world, self._process.rng
        self._running[task.lease] = task
        who = self._process.name, self._incarnation
        world.saw(Started(world.now, *who, task.lease, task.job_id))
        seconds = rng.uniform(*RUN_SECONDS[task.job_type])
        if spell := self._spells.hit("slow-worker"):
            seconds *= spell.rng.uniform(*SLOWNESS)
        failed = task.job_type == "failing" or (task.job_type == "flaky" and rng.random() < 0.5)
        if task.timeout is not None and task.timeout < seconds:
            world.after(task.timeout, partial(self._timed_out, task))
        world.after(seconds, partial(self._ended, task, seconds, failed))

    def _ended(self, task: Assignment, seconds: float, failed: bool) -> None:
        if not self._process.alive or self._running.get(task.lease) is not task:
            return
        if task.job_type == "killer":
            self._process.world.broke("killer-job", self._process.name)
            self._crash()
            return
        del self._running[task.lease]
        if task.lease in self._given_up:
            self._given_up.remove(task.lease)
            self._fill()
            return
        self._fill()
        self._report(task, seconds, "it failed" if failed else None)

    def _report(self, task: Assignment, seconds: float, error: str | None) -> None:
        author = json.dumps([self._process.name, self._incarnation, task.lease])
        result = author if error is None else None
        report = Report(task.job_id, task.lease, result, error, run_seconds=seconds)
        if self._on_ended is not None:
            self._on_ended([report])

    def _timed_out(self, task: Assignment) -> None:
        if not self._process.alive or self._running.get(task.lease) is not task:
            return
        self._process.world.came_of_it["job timed out"] += 1
        if self._can_stop:
            del self._running[task.lease]
            self._fill()
        else:
            self._given_up.add(task.lease)
        timeout = task.timeout or 0.0
        self._report(task, timeout, f"timed out after {timeout} s")

    def cancel(self, lease: int) -> bool:
        """Try to stop a run."""
        if lease in self._waiting:
            del self._waiting[lease]
            return True
        if not self._can_stop or lease not in self._running:
            return False
        del self._running[lease]
        self._fill()
        return True

    def withdraw(self) -> list[int]:
        """Take back what has not begun."""
        back = list(self._waiting)
        self._waiting.clear()
        return back

    def stop(self) -> list[str]:
        """Report nothing any more."""
        self._on_ended = None
        return [label(task) for task in self._running.values()]
