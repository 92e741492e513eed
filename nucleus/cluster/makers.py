"""How the parts of a cluster are made: as services in threads, or as processes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from nucleus.cluster.network import Network
from nucleus.cluster.parts import Part, ProcessPart, ThreadPart
from nucleus.cluster.ports import Ports
from nucleus.core.limits import Limits
from nucleus.core.retention import Retention
from nucleus.core.rules import Rules
from nucleus.jobs import Registry
from nucleus.rpc.access import Access
from nucleus.services.common.options import retention_arguments
from nucleus.services.dashboard import Dashboard
from nucleus.services.master import Master
from nucleus.services.monitoring import Monitoring
from nucleus.services.worker import Worker

Executor = Literal["process", "thread"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What all parts of a cluster are made from."""

    store: str
    retention: Retention
    slots: int
    executor: Executor
    registry: Registry
    monitoring: bool  # whether metrics are pushed anywhere
    worker_timeout: float  # seconds
    heartbeat_interval: float  # seconds
    rules: Rules  # that the master's ledger goes by
    access: Access  # what all parts ask for


class Maker(Protocol):
    """Makes parts; it does not start them."""

    def monitoring(self, ports: Ports) -> Part:
        """A Monitoring."""

    def master(self, ports: Ports, *, take_over: bool) -> Part:
        """A master, also for a store that another one holds."""

    def dashboard(self, ports: Ports, network: Network) -> Part:
        """A dashboard behind a network of its own."""

    def worker(self, name: str, network: Network) -> Part:
        """A worker behind a network of its own."""


def push_url(ports: Ports) -> str:
    """Where parts push their metrics to."""
    return f"http://127.0.0.1:{ports.push}"


class ThreadMaker:
    """Makes services that run in background threads of this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def monitoring(self, ports: Ports) -> Part:
        """A Monitoring."""
        settings = self._settings
        service = Monitoring(
            push_port=ports.push,
            scrape_port=ports.scrape,
            token=settings.access.token,
            worker_timeout=settings.worker_timeout,
        )
        return ThreadPart("monitoring", service)

    def master(self, ports: Ports, *, take_over: bool) -> Part:
        """A master, also for a store that another one holds."""
        settings = self._settings
        service = Master(
            port=ports.master,
            store=settings.store,
            take_over=take_over,
            retention=settings.retention,
            monitoring=push_url(ports) if settings.monitoring else None,
            limits=Limits(worker_timeout=settings.worker_timeout),
            rules=settings.rules,
            registry=settings.registry,
            token=settings.access.token,
        )
        return ThreadPart("master", service)

    def dashboard(self, ports: Ports, network: Network) -> Part:
        """A dashboard behind a network of its own."""
        service = Dashboard(
            port=ports.dashboard,
            master=network.address,
            registry=self._settings.registry,
            access=self._settings.access,
        )
        return ThreadPart("dashboard", service)

    def worker(self, name: str, network: Network) -> Part:
        """A worker behind a network of its own."""
        settings = self._settings
        service = Worker(
            network.address,
            name=name,
            slots=settings.slots,
            executor=settings.executor,
            heartbeat_interval=settings.heartbeat_interval,
            monitoring=network.push_url if settings.monitoring else None,
            registry=settings.registry,
            access=settings.access,
        )
        return ThreadPart(name, service)


class ProcessMaker:
    """Makes parts that are processes of their own; their logs go to ``folder``."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def part(self, name: str, module: str, options: list[str]) -> Part:
        """Any ``python -m module options``."""
        return ProcessPart(name, module, options, self._folder, self._settings.access)

    def monitoring(self, ports: Ports) -> Part:
        """A Monitoring."""
        options = ["--push-port", str(ports.push), "--scrape-port", str(ports.scrape)]
        options += ["--worker-timeout", str(self._settings.worker_timeout)]
        return self.part("monitoring", "nucleus.services.monitoring", options)

    def master(self, ports: Ports, *, take_over: bool) -> Part:
        """A master, also for a store that another one holds."""
        settings = self._settings
        options = ["--port", str(ports.master), "--store", settings.store]
        options += retention_arguments(settings.retention)
        options += ["--worker-timeout", str(settings.worker_timeout)]
        if take_over:
            options += ["--take-over"]
        if settings.monitoring:
            options += ["--monitoring", push_url(ports)]
        return self.part("master", "nucleus.services.master", options)

    def dashboard(self, ports: Ports, network: Network) -> Part:
        """A dashboard behind a network of its own."""
        options = ["--port", str(ports.dashboard), "--master", network.address]
        return self.part("dashboard", "nucleus.services.dashboard", options)

    def worker(self, name: str, network: Network) -> Part:
        """A worker behind a network of its own."""
        settings = self._settings
        options = ["--master", network.address, "--name", name, "--slots", str(settings.slots)]
        options += ["--executor", settings.executor, "--drain", "0"]
        options += ["--heartbeat-interval", str(settings.heartbeat_interval)]
        if settings.monitoring:
            options += ["--monitoring", network.push_url]
        return self.part(name, "nucleus.services.worker", options)
