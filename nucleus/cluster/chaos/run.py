"""One run of chaos: a cluster under load is broken as planned, heals, drains, and is judged.

- :class:`Chaos` runs it; ``show`` is told how far it is, some times a second.
- What was recorded is a history, which ``nucleus.history`` judges like any other.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from nucleus.cluster.chaos.cluster import ChaosCluster, diary_of
from nucleus.cluster.chaos.diary import Reader
from nucleus.cluster.chaos.faults import Injector
from nucleus.cluster.chaos.plan import (
    CLIENT,
    DASHBOARD,
    MASTER,
    MONITORING,
    WORKER,
    Planned,
)
from nucleus.cluster.chaos.prober import Prober
from nucleus.cluster.leftovers import find_process
from nucleus.cluster.recorder import Recorder
from nucleus.core.errors import Unavailable
from nucleus.core.news import Acknowledged, Ended
from nucleus.history import History
from nucleus.history.observations import Observation, Raised, Told
from nucleus.rpc import loop

CLIENTS = ("client-1", "client-2")
SHOW = 0.2  # seconds between two looks
PATIENCE = 60.0  # seconds without the end of any job, once everything is whole again


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    phase: str
    left: float  # seconds of chaos
    fired: Counter[str]  # faults so far, by kind
    acknowledged: int = 0
    ended: int = 0

    @property
    def open(self) -> int:
        """Jobs that were acknowledged, and whose end nobody was told of yet."""
        return self.acknowledged - self.ended


def parts_of(workers: int) -> dict[str, list[str]]:
    """The names of the parts of a run with so many workers, by role."""
    return {
        WORKER: [f"worker-{number}" for number in range(1, workers + 1)],
        MASTER: [MASTER],
        CLIENT: list(CLIENTS),
        MONITORING: [MONITORING],
        DASHBOARD: [DASHBOARD],
    }


class Chaos:
    """Breaks ``cluster``, which is not started yet, as ``plan`` says.

    ``seed`` decides what the clients ask for, ``rate`` how often: submits a second, of all of
    them. When everything is whole again, it waits for the ends of all jobs, until none has come
    for ``patience`` seconds.
    """

    def __init__(
        self,
        cluster: ChaosCluster,
        plan: Sequence[Planned],
        *,
        seconds: float,
        seed: int,
        rate: float,
        patience: float = PATIENCE,
    ) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._seed = seed
        self._rate = rate / len(CLIENTS)
        self._patience = patience
        names = (*CLIENTS, *parts_of(cluster.about["workers"])[WORKER])
        self._readers = [Reader(diary_of(cluster.diaries, name)) for name in names]
        self._recorder = Recorder(cluster, seed=seed)
        self._prober = Prober(cluster, self._recorder.note)
        self._injector = Injector(cluster, plan, self._start_client)
        self._progress = Progress("starting", seconds, self._injector.fired)

    def run(self, show: Callable[[Progress], None]) -> History:
        """Do it all; return what was recorded. Whatever happens, the cluster is gone then."""
        loop.acquire()  # faults that are given up on still speak to it
        try:
            show(self._progress)
            self._cluster.start()
            try:
                with self._recorder:
                    return self._run(show)
            except BaseException:
                self._injector.give_up()
                self._cluster.stop(at_once=True)
                raise
            finally:
                self._cluster.stop()
                self._prober.stop()
                self._injector.stop()
        finally:
            loop.release()

    def _run(self, show: Callable[[Progress], None]) -> History:
        for name in CLIENTS:
            self._start_client(name)
        self._prober.start()
        self._injector.start()
        self._progress.phase = "breaking"
        end = time.monotonic() + self._seconds
        while (left := end - time.monotonic()) > 0:
            self._progress.left = left
            self._look(show)
            time.sleep(SHOW)
        self._progress.phase, self._progress.left = "healing", 0.0
        self._alongside(self._injector.finish, show)
        self._progress.phase = "draining"
        self._alongside(self._drain, show)
        self._prober.stop()
        self._look(show)
        self._note_what_is_wrong()
        try:
            return self._recorder.history(drained=True)
        except Unavailable as error:
            self._recorder.note(Raised(time.time(), MASTER, str(error)))
            return self._recorder.history(drained=True, complete=False)

    def _alongside(self, work: Callable[[], None], show: Callable[[Progress], None]) -> None:
        """Do ``work`` on another thread, and go on showing."""
        pool = ThreadPoolExecutor(1, "chaos-work")
        done = pool.submit(work)
        try:
            while not done.done():
                self._look(show)
                wait([done], SHOW)
            done.result()
        finally:
            pool.shutdown(wait=False)  # Ctrl-C does not wait for what it makes end

    def _look(self, show: Callable[[Progress], None]) -> None:
        for reader in self._readers:
            for seen in reader.news():
                self._take(seen)
        show(self._progress)

    def _take(self, seen: Observation) -> None:
        self._recorder.note(seen)
        if isinstance(seen, Told):
            self._progress.acknowledged += isinstance(seen.news, Acknowledged)
            self._progress.ended += isinstance(seen.news, Ended)

    def _start_client(self, name: str) -> None:
        diary = diary_of(self._cluster.diaries, name)
        options = ["--master", self._cluster.connect(name), "--diary", str(diary)]
        options += ["--seed", f"{self._seed}-{name}", "--rate", str(self._rate)]
        self._cluster.run_beside(name, "nucleus.cluster.chaos.client", options)

    def _drain(self) -> None:
        """Have clients ask for nothing more; wait until nobody has anything open.

        Give up when nothing ends any more.
        """
        for name in CLIENTS:
            self._cluster.ask_to_stop(name)
        clients = set(CLIENTS)
        before, deadline = (-1, -1), 0.0
        while (left := self._left()) or clients:
            clients = {name for name in clients if self._cluster.await_end(name, SHOW) is None}
            now = time.monotonic()
            if (state := (self._progress.ended, left)) != before:
                before, deadline = state, now + self._patience
            elif now > deadline:
                return

    def _left(self) -> int:
        try:
            jobs = self._cluster.stats().jobs
        except Unavailable:
            return 1
        return jobs["QUEUED"] + jobs["RUNNING"]

    def _note_what_is_wrong(self) -> None:
        """Write down what no history shows: parts that ended, masters that were not fenced."""
        wrong = [("chaos", what) for what in self._injector.wrong]
        pids = self._cluster.pids
        wrong += [
            (name, "ended by itself") for name, pid in pids.items() if find_process(pid) is None
        ]
        for part, what in wrong:
            self._recorder.note(Raised(time.time(), part, what))
