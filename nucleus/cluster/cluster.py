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
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from nucleus.client import Client, Stats
from nucleus.cluster.assembly import Assembly
from nucleus.cluster.breakable import Breakable, Service, check_choice
from nucleus.cluster.makers import Executor, Maker, ProcessMaker, Settings, ThreadMaker, push_url
from nucleus.cluster.network import Network
from nucleus.cluster.parts import Part
from nucleus.cluster.ports import choose_ports, free_port
from nucleus.cluster.uninterrupted import uninterrupted
from nucleus.core.errors import FailedPrecondition, InvalidArgument, NucleusError
from nucleus.core.limits import Limits
from nucleus.core.retention import Retention
from nucleus.core.rules import OURS, Rules
from nucleus.jobs import Registry, default_registry
from nucleus.rpc import loop
from nucleus.rpc.access import Access

Mode = Literal["threads", "processes"]

READY_TIMEOUT = 60.0  # seconds until all workers have said hello
CLOSE_TIMEOUT = 0.5  # seconds for what the cluster's own client has not sent yet
HEARTBEATS = 0.3  # of the timeout: three in a row may be lost

_unnamed: "weakref.ref[Cluster] | None" = None


class Cluster(Breakable):
    """Monitoring, a master, workers and a dashboard, on free ports.

    Use it in a ``with``, or call :meth:`start` and :meth:`stop`. ``store`` is ``"memory"`` or
    the path of an SQLite file; ``retention`` is what it keeps of the past.
    ``ports="standard"`` takes those of the README. ``worker_timeout`` is the silence, in
    seconds, after which a worker is lost; heartbeats are as often as that asks for. In a
    notebook, starting an unnamed cluster stops the unnamed one before it, so that a cell can be
    run again; give clusters a ``name`` to have several. ``registry`` holds the job types, in
    place of the default ones, and ``rules`` is what the master's ledger goes by; only parts in
    threads can be given one.
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
        executor: Executor = "process",
        worker_timeout: float = Limits().worker_timeout,
        name: str | None = None,
        dashboard: bool = True,
        monitoring: bool = True,
        registry: Registry | None = None,
        rules: Rules = OURS,
        token: str = "",
    ) -> None:
        super().__init__()
        check_choice("mode", mode, get_args(Mode))
        check_choice("ports", ports, ("free", "standard"))
        check_choice("executor", executor, ("process", "thread"))
        if not 0 <= workers <= 1000:
            raise InvalidArgument(f"workers: {workers} is not allowed; 0 to 1000")
        _check_registry(registry, mode)
        _check_rules(rules, mode)
        self.mode = mode
        self.name = name
        self._standard_ports = ports == "standard"
        self._with_dashboard = dashboard
        self._settings = Settings(
            store=str(store),
            retention=retention or Retention(),
            slots=slots,
            executor=executor,
            registry=registry or default_registry(),
            monitoring=monitoring,
            worker_timeout=worker_timeout,
            heartbeat_interval=HEARTBEATS * worker_timeout,
            rules=rules,
            access=Access.given(token, ""),
        )
        self._first_workers = workers
        self._run_name = f"{name or 'cluster'}-{secrets.token_hex(3)}"
        self._numbers = itertools.count(1)
        self._given: set[str] = set()  # names that add_worker was given
        self._running = False

    # ---- start and stop ---------------------------------------------------------------

    def start(self) -> "Cluster":
        """Start all parts; return when every worker has said hello."""
        if self._running:
            return self
        try:
            with uninterrupted():
                _replace_unnamed(self)
                self._prepare()
            self._start_parts()
            with uninterrupted():
                self.client = self._make_client()
            self._await_hello(self.workers)
        except BaseException:
            self.stop()
            raise
        return self

    def _prepare(self) -> None:
        self._loop = loop.acquire()
        self._assembly = Assembly(self._run_name, self._loop)
        self._ports = choose_ports(standard=self._standard_ports)
        self._folder = Path(tempfile.mkdtemp(prefix="nucleus-"))
        atexit.register(self.stop)
        self._running = True

    def _start_parts(self) -> None:
        names: list[Service] = ["master"]
        if self._settings.monitoring:
            names.insert(0, "monitoring")
        if self._with_dashboard:
            names.append("dashboard")
        services = [self._make(name) for name in names]
        workers = [self._make_worker(self._next_name()) for _ in range(self._first_workers)]
        self._assembly.launch(*services, *workers)

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

    def stop(self, *, at_once: bool = False) -> list[str]:
        """Stop everything; leave no process, port or file behind. Idempotent.

        ``at_once`` kills the parts, where they would otherwise say goodbye. Return the names of
        jobs that run on, because a thread cannot be stopped. An interrupt waits for the end.
        """
        with uninterrupted():
            return self._stop(at_once) if self._running else []

    def _stop(self, at_once: bool) -> list[str]:
        self._running = False
        atexit.unregister(self.stop)
        if hasattr(self, "client"):
            self.client.close(0.0 if at_once else CLOSE_TIMEOUT, warn=not at_once)
        if at_once:
            self._assembly.end()
        still_running = self._assembly.stop()
        self._worker_names.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        loop.release()
        gc.collect()  # gRPC keeps a thread until the last of its objects is gone
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
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._running

    @property
    def address(self) -> str:
        """The master's ``HOST:PORT``."""
        return f"127.0.0.1:{self._ports.master}"

    @property
    def access(self) -> Access:
        """What its parts ask for."""
        return self._settings.access

    @property
    def dashboard_url(self) -> str:
        """Where the REST gateway and the web page are."""
        return f"http://127.0.0.1:{self._ports.dashboard}"

    @property
    def push_url(self) -> str:
        """Where parts push their metrics to."""
        return push_url(self._ports)

    @property
    def scrape_url(self) -> str:
        """Where Prometheus scrapes."""
        return f"http://127.0.0.1:{self._ports.scrape}/metrics"

    @property
    def workers(self) -> list[str]:
        """The names of the workers that were started, without those that crashed."""
        parts = tuple(self._assembly.parts) if self._running else ()
        return [name for name in parts if name in self._worker_names]

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the parts that have a process of their own."""
        return self._assembly.pids if self._running else {}

    @property
    def store(self) -> str:
        """``memory``, or the path of the file that the jobs are in."""
        return self._settings.store

    @property
    def about(self) -> dict[str, Any]:
        """The settings that matter to whoever judges a run, as JSON values."""
        settings = self._settings
        return {
            "mode": self.mode,
            "workers": self._first_workers,
            "slots": settings.slots,
            "worker_timeout": settings.worker_timeout,
            "heartbeat_interval": settings.heartbeat_interval,
        }

    def stats(self) -> Stats:
        """The cluster in numbers."""
        return self.client.stats()

    # ---- making parts -----------------------------------------------------------------

    @property
    def _maker(self) -> Maker:
        if self.mode == "threads":
            return ThreadMaker(self._settings)
        return ProcessMaker(self._settings, self._folder)

    def _make_client(self) -> Client:
        token, registry = self.access.token, self._settings.registry
        return Client(self.address, token=token, tls_ca="", registry=registry)

    def _make(self, name: Service) -> Part:
        if name == "monitoring":
            return self._maker.monitoring(self._ports)
        if name == "master":
            return self._maker.master(self._ports, take_over=False)
        return self._maker.dashboard(self._ports, self._network_of("dashboard"))

    def _make_worker(self, name: str) -> Part:
        network = self._network_of(name)
        self._worker_names.add(name)
        return self._maker.worker(name, network)

    def _network_of(self, name: str) -> Network:
        return self._assembly.network(name, self._ports.master, self._ports.push)

    def _next_name(self) -> str:
        names = (f"worker-{number}" for number in self._numbers)
        return next(name for name in names if name not in self._given)

    def add_worker(self, name: str | None = None, *, wait: bool = True) -> str:
        """Start one more worker; return its name, when it has said hello.

        The name of a worker that crashed may be given again. Raises ``InvalidArgument`` when
        the name is taken; a worker that cannot start leaves nothing behind. With ``wait=False``
        the master need not be there.
        """
        self._check_running()
        name = name or self._next_name()
        taken = {*get_args(Service), *self._assembly.parts, *self._assembly.networks}
        if name in taken:
            raise InvalidArgument(f"name: {name!r} is taken; choose another")
        self._given.add(name)
        try:
            if wait:
                earlier = {w.incarnation for w in self.client.workers() if w.name == name}
            self._assembly.launch(self._make_worker(name))
            if wait:
                self._await_hello([name], earlier)
        except BaseException:
            self._remove_worker(name)
            raise
        self._tell("crash", name, over=True)
        return name

    def connect(self, name: str) -> str:
        """Open a way to the master for a client called ``name``; return the address.

        It lies behind a network of its own, which :meth:`disturb` breaks, and goes on leading
        to the master when another one takes over.
        """
        self._check_running()
        return self._network_of(name).address

    def run_beside(self, name: str, module: str, options: list[str]) -> None:
        """Run ``python -m module`` as one more part, that ends with the cluster.

        It has to say a line when it is ready, and to end with its ``--lifeline``, as every part
        does. Raises ``FailedPrecondition`` where parts are threads.
        """
        self._check_running()
        maker = self._maker
        if not isinstance(maker, ProcessMaker):
            raise FailedPrecondition("only a cluster of processes can run one more")
        self._assembly.launch(maker.part(name, module, options))
        self._tell("crash", name, over=True)

    def _replace_master(self) -> None:
        ports = replace(self._ports, master=free_port())
        self._assembly.launch(self._maker.master(ports, take_over=True))
        with uninterrupted():
            self._ports = ports
            self._assembly.lead_to(self._ports.master)
            self.client.close(0.0, warn=False)
            self.client = self._make_client()

    def _check_running(self) -> None:
        if not self._running:
            raise FailedPrecondition("the cluster is not running; start it first")


def _check_registry(registry: Registry | None, mode: Mode) -> None:
    if mode == "processes" and registry is not None and registry is not default_registry():
        raise InvalidArgument(
            "registry: mode='processes' takes only the default one, because functions cannot be"
            " handed to other processes; put them into a module and start workers with"
            " `nucleus worker --master ADDRESS --jobs MODULE`, or use mode='threads'"
        )


def _check_rules(rules: Rules, mode: Mode) -> None:
    if mode == "processes" and rules is not OURS:
        raise InvalidArgument(
            "rules: mode='processes' takes only our own, because functions cannot be handed to"
            " other processes; use mode='threads'"
        )


def _replace_unnamed(cluster: Cluster) -> None:
    """In a notebook, let a cell that makes a cluster be run again."""
    global _unnamed
    if cluster.name is not None or "ipykernel.kernelapp" not in sys.modules:  # is a kernel
        return
    earlier = _unnamed() if _unnamed is not None else None
    if earlier is not None:
        earlier.stop()
    _unnamed = weakref.ref(cluster)
