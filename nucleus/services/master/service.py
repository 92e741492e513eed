"""The master as a service: a gRPC server around an engine, and a pusher of metrics."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from prometheus_client import generate_latest

from nucleus.core.errors import NucleusError, PortTaken
from nucleus.core.limits import Limits
from nucleus.core.retention import Retention
from nucleus.core.rules import OURS, Rules
from nucleus.jobs import Registry, default_registry
from nucleus.rpc import job_queue_pb2, loop
from nucleus.rpc.channel import SERVER_OPTIONS
from nucleus.rpc.guard import Identity, TokenGuard
from nucleus.rpc.job_queue_pb2_grpc import add_JobQueueServiceServicer_to_server
from nucleus.services.common.clock import SystemClock
from nucleus.services.common.ports import listen
from nucleus.services.common.push import MetricsPusher
from nucleus.services.master.catalog import RegistryCatalog
from nucleus.services.master.engine import Engine
from nucleus.services.master.metrics import MasterCollector
from nucleus.services.master.servicer import JobQueueService
from nucleus.stores import Store, open_store

logger = logging.getLogger("nucleus.master")

DRAIN = 0.5  # seconds that calls under way have to finish when the master stops
RENDER_TIMEOUT = 2.0  # seconds
SERVICE = job_queue_pb2.DESCRIPTOR.services_by_name["JobQueueService"].full_name


class Master:
    """Owns the job ledger and serves ``JobQueueService``.

    ``store`` is ``"memory"`` or the path of an SQLite file; ``retention`` is what it keeps of
    the past. ``port`` 0 takes a free one; after ``start`` it is the real one. ``token`` is what
    every caller has to show, "" for nothing (Monitoring is shown it, too); with an ``identity``
    the calls go over TLS. ``on_fenced`` is called, from the loop, when another master has taken
    the store over: this one has stopped serving then. ``on_loaded`` is called, from the loop,
    with the number of live jobs after each load of the ledger.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 50051,
        *,
        store: str = "memory",
        take_over: bool = False,
        retention: Retention | None = None,
        monitoring: str | None = None,
        name: str = "master",
        limits: Limits | None = None,
        rules: Rules = OURS,
        registry: Registry | None = None,
        token: str = "",
        identity: Identity | None = None,
        on_fenced: Callable[[str], None] = lambda reason: None,
        on_loaded: Callable[[int], None] = lambda jobs: None,
    ) -> None:
        self.host = host
        self.port = port
        self.name = name
        self._where = store
        self._take_over = take_over
        self._retention = retention
        self._monitoring = monitoring
        self._limits = limits or Limits()
        self._rules = rules
        self._catalog = RegistryCatalog(registry or default_registry())
        self._token = token
        self._identity = identity
        self._on_fenced = on_fenced
        self._on_loaded = on_loaded
        self._loop: loop.LoopThread | None = None
        self._pusher: MetricsPusher | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Serve. Raises ``StoreRefused``, ``PortTaken``, or ``InvalidArgument`` for TLS files."""
        if self._identity is not None:
            self._identity.check()
        store = open_store(self._where, take_over=self._take_over, retention=self._retention)
        self._loop = loop.acquire()
        try:
            self._loop.run(self._start(store))
        except BaseException:
            self._loop = None
            loop.release()
            raise
        if self._monitoring:
            source = self._render
            self._pusher = MetricsPusher(
                self._monitoring, "nucleus_master", self.name, source, token=self._token
            )
            self._pusher.start()

    async def _start(self, store: Store) -> None:
        self._health = health_aio.HealthServicer()
        self._engine = Engine(
            store,
            self._catalog,
            self._limits,
            SystemClock(),
            on_serving=self._set_health,
            on_fenced=self._on_fenced,
            on_loaded=self._on_loaded,
            rules=self._rules,
        )
        engine = self._engine
        guards = [TokenGuard(self._token)] if self._token else []
        self._server = grpc.aio.server(options=SERVER_OPTIONS, interceptors=guards)
        self._service = JobQueueService(engine, self._catalog)
        add_JobQueueServiceServicer_to_server(self._service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, HEALTH, reflection.SERVICE_NAME), self._server
        )
        try:
            self._bind()
            await engine.start()
        except NucleusError:
            await engine.let_go()
            del self._server, self._service, self._health, self._engine
            raise
        await self._server.start()

    def _bind(self) -> None:
        try:
            bound = self._add_port()
        except RuntimeError:
            bound = 0
        if bound == 0:  # gRPC does not say why
            listen(self.host, self.port).close()
            raise PortTaken(f"port {self.port} on {self.host} could not be taken; try again")
        self.port = bound

    def _add_port(self) -> int:
        if self._identity is None:
            return self._server.add_insecure_port(self.address)
        return self._server.add_secure_port(self.address, self._identity.credentials())

    async def _set_health(self, serving: bool) -> None:
        reply = health_pb2.HealthCheckResponse
        now = reply.SERVING if serving else reply.NOT_SERVING
        for service in ("", SERVICE):
            await self._health.set(service, now)

    def _render(self) -> bytes:
        if self._loop is None:
            return b""
        return self._loop.run(self._render_on_loop(), RENDER_TIMEOUT)

    async def _render_on_loop(self) -> bytes:
        # As a command, so that no number gets out before it is committed.
        metrics = self._engine.metrics
        return await self._engine.run(
            lambda ledger, now: generate_latest(MasterCollector(ledger, metrics, now))
        )

    def stop(self) -> None:
        """Refuse new calls, finish those under way, commit, and let go. Idempotent."""
        self._end(self._stop, delete_metrics=True)

    def crash(self) -> None:
        """Vanish, as if the process had died: nothing is said, nothing more is committed."""
        self._end(self._crash, delete_metrics=False)

    def _end(
        self, ending: Callable[[], Coroutine[Any, Any, None]], *, delete_metrics: bool
    ) -> None:
        running, self._loop = self._loop, None
        if running is None:
            return
        if self._pusher is not None:
            self._pusher.stop(delete=delete_metrics)
        running.run(ending())
        # Else gRPC keeps a thread for them.
        del self._server, self._service, self._health, self._engine
        loop.release()

    async def _stop(self) -> None:
        await self._health.enter_graceful_shutdown()
        self._engine.streams.close_all()
        self._engine.watchers.close_all()
        self._service.hang_up()
        await self._server.stop(DRAIN)
        await self._engine.stop()

    async def _crash(self) -> None:
        await self._server.stop(None)
        await self._engine.crash()

    def ready_line(self) -> str:
        """One line with the address."""
        how = "gRPC" if self._identity is None else "gRPC over TLS"
        return f"master: {how} on {self.address}, store {self._where}"
