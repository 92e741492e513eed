"""A whole cluster on one machine, and ways to break it on purpose.

The parts are the real services. ``mode="threads"`` runs them in background threads of this
process (jobs still run in child processes); ``mode="processes"`` gives each a process of its
own. Workers reach the master and Monitoring through a small TCP proxy, so that a partition
is a real one.
"""

import atexit
import gc
import itertools
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

from nucleus.client import Client, Stats
from nucleus.cluster import leftovers
from nucleus.cluster.network import WorkerNetwork
from nucleus.cluster.parts import Part, ProcessPart, ThreadPart
from nucleus.cluster.ports import choose_ports
from nucleus.core.errors import FailedPrecondition, InvalidArgument, NucleusError
from nucleus.core.retention import Retention
from nucleus.jobs import Registry, default_registry
from nucleus.rpc import loop
from nucleus.services.common.options import retention_arguments
from nucleus.services.dashboard import Dashboard
from nucleus.services.master import Master
from nucleus.services.monitoring import Monitoring
from nucleus.services.worker import Worker

Mode = Literal["threads", "processes"]
Fault = Literal["crash", "pause", "partition", "slow"]

READY_TIMEOUT = 20.0  # seconds until all workers have said hello
SLOW_DELAY = 0.5  # seconds added to everything that a slow worker hears and says
CLOSE_TIMEOUT = 0.5  # seconds for what the cluster's own client has not sent yet

SERVICES = ("dashboard", "master", "monitoring")  # the parts that are no workers

_unnamed: "weakref.ref[Cluster] | None" = None


class Cluster:
    """Monitoring, a master, workers and a dashboard, on free ports.

    Use it in a ``with``, or call :meth:`start` and :meth:`stop`. ``store`` is ``"memory"`` or
    the path of an SQLite file; ``retention`` is what it keeps of the past.
    ``ports="standard"`` takes those of the README. In a notebook, starting an unnamed cluster
    stops the unnamed one before it, so that a cell can be run again; give clusters a ``name``
    to have several. ``registry`` holds the job types, in place of the default ones; only parts
    in threads can be given one.
    """

    def __init__(
        self,
        workers: int = 3,
        *,
        mode: Mode = "threads",
        store: str | Path = "memory",
        retention: Retention | None = None,
        ports: Literal["free", "standard"] = "free",
        slots: int = 1,
        executor: Literal["process", "thread"] = "process",
        name: str | None = None,
        dashboard: bool = True,
        monitoring: bool = True,
        registry: Registry | None = None,
    ) -> None:
        _check_choice("mode", mode, get_args(Mode))
        _check_choice("ports", ports, ("free", "standard"))
        _check_choice("executor", executor, ("process", "thread"))
        if not 0 <= workers <= 1000:
            raise InvalidArgument(f"workers: {workers} is not allowed; 0 to 1000")
        _check_registry(registry, mode)
        self.mode = mode
        self.name = name
        self._store = str(store)
        self._retention = retention or Retention()
        self._standard_ports = ports == "standard"
        self._slots = slots
        self._executor = executor
        self._with_dashboard = dashboard
        self._with_monitoring = monitoring
        self._registry = registry or default_registry()
        self._first_workers = workers
        self._run_name = f"{name or 'cluster'}-{secrets.token_hex(3)}"
        self._parts: dict[str, Part] = {}
        self._networks: dict[str, WorkerNetwork] = {}
        self._numbers = itertools.count(1)
        self._given: set[str] = set()  # names that add_worker was given
        self._running = False

    # ---- start and stop ---------------------------------------------------------------

    def start(self) -> "Cluster":
        """Start all parts; return when every worker has said hello."""
        if self._running:
            return self
        _replace_unnamed(self)
        self._running = True
        self._loop = loop.acquire()
        self._ports = choose_ports(standard=self._standard_ports)
        self._folder = Path(tempfile.mkdtemp(prefix="nucleus-"))
        atexit.register(self.stop)
        try:
            self._start_parts()
            self.client = Client(self.address, registry=self._registry)
            self._await_hello(self.workers)
        except BaseException:
            self.stop()
            raise
        return self

    def _start_parts(self) -> None:
        services: list[Part] = [self._make_master()]
        if self._with_monitoring:
            services.insert(0, self._make_monitoring())
        if self._with_dashboard:
            services.append(self._make_dashboard())
        workers = [self._make_worker(self._next_name()) for _ in range(self._first_workers)]
        self._launch(*services, *workers)

    def _launch(self, *parts: Part) -> None:
        """Start parts side by side: any order works, each waits for what it needs."""
        for part in parts:
            self._parts[part.name] = part
            part.launch()
        for part in parts:
            part.wait_ready()
        self._record()

    def _await_hello(self, names: Collection[str], earlier: Collection[str] = ()) -> None:
        """Wait until workers of these names, other incarnations than ``earlier``, are there."""
        deadline = time.monotonic() + READY_TIMEOUT
        while missing := set(names) - self._present(earlier):
            if time.monotonic() > deadline:
                who = ", ".join(sorted(missing))
                raise NucleusError(f"{who} did not say hello in {READY_TIMEOUT} s")
            time.sleep(0.01)

    def _present(self, earlier: Collection[str]) -> set[str]:
        # "alive" alone says little: a dead worker is so for a while, and so is one that the
        # master has read from its store and that has not come back.
        return {
            worker.name
            for worker in self.client.stats().workers
            if worker.state == "alive" and worker.connected and worker.incarnation not in earlier
        }

    def stop(self) -> list[str]:
        """Stop everything; leave no process, port or file behind. Idempotent.

        Return the names of jobs that run on, because a thread cannot be stopped.
        """
        if not self._running:
            return []
        self._running = False
        atexit.unregister(self.stop)
        if hasattr(self, "client"):
            self.client.close(CLOSE_TIMEOUT)
        still_running = self._stop_parts()
        for network in self._networks.values():
            self._loop.run(network.stop())
        self._networks.clear()
        leftovers.forget(self._run_name)
        shutil.rmtree(self._folder, ignore_errors=True)
        loop.release()
        gc.collect()  # gRPC keeps a thread until the last of its objects is gone
        return still_running

    def _stop_parts(self) -> list[str]:
        """Stop those who ask before those who answer."""
        still_running: list[str] = []
        for names in (("dashboard", *self._networks), ("master", "monitoring")):
            parts = [self._parts.pop(name) for name in names if name in self._parts]
            for part in parts:
                part.ask_to_stop()
            for part in parts:
                still_running += part.wait_stopped()
        return still_running

    def __enter__(self) -> "Cluster":
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def __repr__(self) -> str:
        """Mode, address and workers."""
        if not self._running:
            return f"<Cluster {self.mode}, stopped>"
        return f"<Cluster {self.mode}, master {self.address}, workers {', '.join(self.workers)}>"

    # ---- addresses --------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The master's ``HOST:PORT``."""
        return f"127.0.0.1:{self._ports.master}"

    @property
    def dashboard_url(self) -> str:
        """Where the REST gateway and the web page are."""
        return f"http://127.0.0.1:{self._ports.dashboard}"

    @property
    def push_url(self) -> str:
        """Where parts push their metrics to."""
        return f"http://127.0.0.1:{self._ports.push}"

    @property
    def scrape_url(self) -> str:
        """Where Prometheus scrapes."""
        return f"http://127.0.0.1:{self._ports.scrape}/metrics"

    @property
    def workers(self) -> list[str]:
        """The names of the workers that were started, without those that crashed."""
        return [name for name in tuple(self._networks) if name in self._parts]

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the parts that have a process of their own."""
        return {name: part.pid for name, part in self._parts.items() if part.pid is not None}

    def stats(self) -> Stats:
        """The cluster in numbers."""
        return self.client.stats()

    # ---- making parts -----------------------------------------------------------------

    def _make_monitoring(self) -> Part:
        ports = self._ports
        if self.mode == "threads":
            service = Monitoring("127.0.0.1", ports.push, ports.scrape)
            return ThreadPart("monitoring", service)
        options = ["--push-port", str(ports.push), "--scrape-port", str(ports.scrape)]
        return ProcessPart("monitoring", "monitoring", options, self._folder)

    def _make_master(self) -> Part:
        monitoring = self.push_url if self._with_monitoring else None
        if self.mode == "threads":
            service = Master(
                port=self._ports.master,
                store=self._store,
                retention=self._retention,
                monitoring=monitoring,
                registry=self._registry,
            )
            return ThreadPart("master", service)
        options = ["--port", str(self._ports.master), "--store", self._store]
        options += retention_arguments(self._retention)
        if monitoring:
            options += ["--monitoring", monitoring]
        return ProcessPart("master", "master", options, self._folder)

    def _make_dashboard(self) -> Part:
        if self.mode == "threads":
            service = Dashboard(
                port=self._ports.dashboard, master=self.address, registry=self._registry
            )
            return ThreadPart("dashboard", service)
        options = ["--port", str(self._ports.dashboard), "--master", self.address]
        return ProcessPart("dashboard", "dashboard", options, self._folder)

    def _make_worker(self, name: str) -> Part:
        network = WorkerNetwork(self._ports.master, self._ports.push)
        self._loop.run(network.start())
        self._networks[name] = network
        monitoring = network.push_url if self._with_monitoring else None
        if self.mode == "threads":
            service = Worker(
                network.address,
                name=name,
                slots=self._slots,
                executor=self._executor,
                monitoring=monitoring,
                registry=self._registry,
            )
            return ThreadPart(name, service)
        options = ["--master", network.address, "--name", name, "--slots", str(self._slots)]
        options += ["--executor", self._executor, "--drain", "0"]
        if monitoring:
            options += ["--monitoring", monitoring]
        return ProcessPart(name, "worker", options, self._folder)

    def _next_name(self) -> str:
        names = (f"worker-{number}" for number in self._numbers)
        return next(name for name in names if name not in self._given)

    def add_worker(self, name: str | None = None) -> str:
        """Start one more worker; return its name, when it has said hello.

        The name of a worker that crashed may be given again. Raises ``InvalidArgument`` when
        the name is taken; a worker that cannot start leaves nothing behind.
        """
        self._check_running()
        name = name or self._next_name()
        if name in self._parts or name in SERVICES:
            raise InvalidArgument(f"name: {name!r} is taken; choose another")
        self._given.add(name)
        earlier = {w.incarnation for w in self.client.workers() if w.name == name}
        try:
            self._launch(self._make_worker(name))
            self._await_hello([name], earlier)
        except BaseException:
            self._remove_worker(name)
            raise
        return name

    def _remove_worker(self, name: str) -> None:
        """Crash it, as far as it was started, and close its way to the others."""
        if part := self._parts.pop(name, None):
            part.crash()
        if network := self._networks.pop(name, None):
            self._loop.run(network.stop())
        self._record()

    # ---- breaking it ------------------------------------------------------------------

    def kill(self, worker: str, how: Fault = "crash") -> None:
        """Break a worker.

        ``crash``: SIGKILL, or silence for ever. ``pause``: SIGSTOP, or a frozen worker whose
        running job goes on; :meth:`resume` wakes it. ``partition``: nothing gets through;
        ``slow``: everything arrives late; :meth:`heal` ends both.
        """
        _check_choice("how", how, get_args(Fault))
        part, network = self._worker(worker)
        if how == "crash":
            self._remove_worker(worker)
        elif how == "pause":
            part.pause()
        elif how == "partition":
            self._loop.call(network.partition)
        else:
            self._loop.call(network.slow, SLOW_DELAY)

    def resume(self, worker: str) -> None:
        """Wake a paused worker; it does not know how long it was away."""
        self._worker(worker)[0].resume()

    def heal(self, worker: str) -> None:
        """Let everything through to a partitioned or slow worker again."""
        self._loop.call(self._worker(worker)[1].heal)

    def kill_part(self, name: Literal["master", "monitoring", "dashboard"]) -> None:
        """Crash one of the services; :meth:`restart_part` brings it back."""
        self._check_running()
        _check_choice("name", name, tuple(n for n in self._parts if n not in self._networks))
        self._parts.pop(name).crash()
        self._record()

    def restart_part(self, name: Literal["master", "monitoring", "dashboard"]) -> None:
        """Start a service again, at the same address and, for the master, on the same store."""
        self._check_running()
        makers = {
            "master": self._make_master,
            "monitoring": self._make_monitoring,
            "dashboard": self._make_dashboard,
        }
        _check_choice("name", name, tuple(makers))
        if name in self._parts:
            raise FailedPrecondition(f"name: {name} is running; kill it first")
        self._launch(makers[name]())

    def _worker(self, name: str) -> tuple[Part, WorkerNetwork]:
        self._check_running()
        _check_choice("worker", name, tuple(self.workers))
        return self._parts[name], self._networks[name]

    def _check_running(self) -> None:
        if not self._running:
            raise FailedPrecondition("the cluster is not running; start it first")

    def _record(self) -> None:
        if self.pids:
            leftovers.record(self._run_name, self.pids)


def _check_choice(field: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(allowed) or "none at the moment"
        raise InvalidArgument(f"{field}: {value!r} is not allowed; one of {choices}")


def _check_registry(registry: Registry | None, mode: Mode) -> None:
    if mode == "processes" and registry is not None and registry is not default_registry():
        raise InvalidArgument(
            "registry: mode='processes' takes only the default one, because functions cannot be"
            " handed to other processes; put them into a module and start workers with"
            " `nucleus worker --master ADDRESS --jobs MODULE`, or use mode='threads'"
        )


def _replace_unnamed(cluster: Cluster) -> None:
    """In a notebook, let a cell that makes a cluster be run again."""
    global _unnamed
    if cluster.name is not None or "ipykernel" not in sys.modules:
        return
    earlier = _unnamed() if _unnamed is not None else None
    if earlier is not None:
        earlier.stop()
    _unnamed = weakref.ref(cluster)
