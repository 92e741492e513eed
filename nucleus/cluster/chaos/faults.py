"""Carries out a plan: breaks the parts of a cluster when their time has come, and mends them.

Each fault runs on a thread of its own, because to start a process again takes a while.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast, get_args

from nucleus.cluster.breakable import Service
from nucleus.cluster.chaos.plan import MASTER, Planned
from nucleus.cluster.cluster import Cluster
from nucleus.cluster.network import NetworkFault
from nucleus.core.errors import NucleusError
from nucleus.services.common.main import Exit

logger = logging.getLogger("nucleus.chaos")

AT_ONCE = 16  # faults
TRIES = 3  # to take over
BETWEEN_TRIES = 0.2  # seconds
LOCKED = "database is locked"
FENCED = 20.0  # seconds that a master which was replaced has to find out, and to end


class Injector:
    """Breaks ``cluster`` as ``plan`` says; ``restart_client`` starts a killed client again."""

    def __init__(
        self, cluster: Cluster, plan: Sequence[Planned], restart_client: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._plan = plan
        self._restart_client = restart_client
        self._over = threading.Event()
        self._faults = ThreadPoolExecutor(AT_ONCE, "chaos-fault")
        self._running: list[Future[None]] = []
        # One fault of a part at a time, also where mending it takes longer than was planned.
        self._turns = {fault.target: threading.Lock() for fault in plan}
        self._scheduler = threading.Thread(target=self._schedule, name="chaos-plan", daemon=True)
        self.fired = Counter({fault.how: 0 for fault in plan})  # faults, by how
        self.wrong: list[str] = []  # what did not go as it must

    def start(self) -> None:
        """Begin now."""
        self._scheduler.start()

    def finish(self) -> None:
        """Wait until all faults are over."""
        self._scheduler.join()
        self._faults.shutdown()
        for fault in self._running:
            fault.result()

    def give_up(self) -> None:
        """Begin nothing more, and mend nothing; does not wait."""
        self._over.set()

    def stop(self) -> None:
        """Wait until everything that was under way has been given up."""
        self._over.set()
        if self._scheduler.ident is not None:
            self._scheduler.join()
        self._faults.shutdown()

    def _schedule(self) -> None:
        began = time.monotonic()
        for fault in self._plan:
            if self._over.wait(max(0.0, began + fault.at - time.monotonic())):
                return
            self._running.append(self._faults.submit(self._carry_out, fault))

    def _carry_out(self, fault: Planned) -> None:
        try:
            with self._turns[fault.target]:
                self._play(fault)
        except NucleusError as error:
            if not self._over.is_set():
                logger.exception("%s could not be carried out", fault)
                self.wrong.append(f"{fault.how} of {fault.target}: {error}")

    def _play(self, fault: Planned) -> None:
        if self._over.is_set():
            return
        self.fired[fault.how] += 1
        if fault.how == "crash":
            self._crash(fault)
        elif fault.how == "freeze":
            self._freeze(fault)
        elif fault.how == "take-over":
            self._take_over(fault)
        else:
            self._disturb(fault)

    def _crash(self, fault: Planned) -> None:
        cluster, name = self._cluster, fault.target
        if name in cluster.workers:
            cluster.kill(name)
            if self._stays(fault):
                cluster.add_worker(name, wait=False)
            return
        cluster.kill_part(name)
        if self._stays(fault):
            if name in get_args(Service):
                cluster.restart_part(cast(Service, name))
            else:
                self._restart_client(name)

    def _freeze(self, fault: Planned) -> None:
        cluster, name = self._cluster, fault.target
        if name == MASTER:
            cluster.pause_part(name)
            if self._stays(fault):
                cluster.resume_part(name)
        else:
            cluster.kill(name, "pause")
            if self._stays(fault):
                cluster.resume(name)

    def _take_over(self, fault: Planned) -> None:
        earlier = self._replace_master()
        if earlier is not None and self._stays(fault):
            self._cluster.resume_part(earlier)
            code = self._cluster.await_end(earlier, FENCED)
            if code != Exit.FAILED:
                self.wrong.append(f"the replaced master was not fenced: exit code {code}")

    def _replace_master(self) -> str | None:
        """Have another master take over; return the earlier one, ``None`` if it did not work.

        A master that is frozen in the middle of a commit keeps the file locked: that is no
        broken promise, and another moment may be a better one.
        """
        for _ in range(TRIES):
            try:
                return self._cluster.take_over()
            except NucleusError as error:
                if LOCKED not in str(error) or self._over.wait(BETWEEN_TRIES):
                    raise
        return None

    def _disturb(self, fault: Planned) -> None:
        self._cluster.disturb(fault.target, cast(NetworkFault, fault.how))
        if self._stays(fault):
            self._cluster.heal(fault.target)

    def _stays(self, fault: Planned) -> bool:
        """Let the fault last; whether it is to be mended, and not all of this to end."""
        return not self._over.wait(fault.lasts)
