"""Nucleus, run as an operator would: one master and the workers, each a process of its own.

Nothing is switched off: the history is written, and every submit is acknowledged. A plain
``client.submit`` returns before its acknowledgement, because the client gathers what is
submitted while the call before is under way; ``submit(...).acknowledged()`` waits for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from benchmarks.adapter import PATIENCE, Adapter, Submit, Way
from benchmarks.jobs import Job
from benchmarks.processes import free_port, script
from nucleus.client import Client

FILE = "fsync: on disk before it is acknowledged (SQLite, WAL, synchronous=FULL)"
MEMORY = "none: the master keeps it in memory"


class Nucleus(Adapter):
    """A master and workers of one store and one executor."""

    store: ClassVar[str]  # a file name, or memory
    executor: ClassVar[str]
    returns_early = True
    distributions = ("nucleus", "grpcio", "protobuf")

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.client: Client | None = None

    def start_server(self) -> str:
        """Start the master on a free port."""
        port = free_port()
        memory = self.store == "memory"
        store = self.store if memory else str(self.processes.folder / self.store)
        self.processes.start(script("nucleus"), "master", "--port", str(port), "--store", store)
        self.processes.wait_for_port(port)
        return f"127.0.0.1:{port}"

    def start_workers(self, count: int) -> None:
        """Start ``nucleus worker`` with one slot each."""
        for _ in range(count):
            self.processes.start(
                script("nucleus"),
                *("worker", "--master", self.server, "--executor", self.executor),
                *("--jobs", "benchmarks.nucleus_jobs"),
            )

    def connect(self, server: str) -> None:
        """Open a client with default settings."""
        self.client = Client(server)

    def disconnect(self) -> None:
        """Close the client; what is still queued does not matter."""
        if self.client is not None:
            self.client.close(warn=False)
            self.client = None

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop of ``submit``, a loop that waits for each, and ``submit_many``."""
        client = self.client
        assert client is not None

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            return [client.submit(job, payload) for payload in payloads]

        def acknowledged(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            handles = []
            for payload in payloads:
                handles.append(client.submit(job, payload))
                handles[-1].acknowledged(PATIENCE)
            return handles

        def batch(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            return client.submit_many(job, payloads)

        return {Way.EACH: each, Way.ACKNOWLEDGED: acknowledged, Way.BATCH: batch}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for each handle's result, in order."""
        return [handle.result(PATIENCE) for handle in handles]

    def settle(self, handles: Sequence[Any]) -> None:
        """Flush."""
        assert self.client is not None
        self.client.flush(PATIENCE)

    def forget(self) -> None:
        """Go on with another client: the last one holds a handle for each job."""
        self.disconnect()
        self.connect(self.server)


class SqliteThreads(Nucleus):
    """Durable; jobs run on a thread of the worker."""

    name = "Nucleus, SQLite, thread executor"
    durability, store, executor = FILE, "jobs.db", "thread"


class SqliteProcesses(Nucleus):
    """Durable; jobs run in a child of the worker, which is the default."""

    name = "Nucleus, SQLite, process executor (default)"
    durability, store, executor = FILE, "jobs.db", "process"


class MemoryThreads(Nucleus):
    """For lessons: nothing on disk."""

    name = "Nucleus, memory, thread executor"
    durability, store, executor = MEMORY, "memory", "thread"


class MemoryProcesses(Nucleus):
    """For lessons, with the default executor."""

    name = "Nucleus, memory, process executor"
    durability, store, executor = MEMORY, "memory", "process"
