"""Dask distributed: https://distributed.dask.org

Settings: workers of one thread, without a nanny and without dashboards; ``pure=False``, so
that equal calls are not merged. The batch way is ``Client.map``; a submit returns before the
scheduler has it. Results are read with ``Client.gather``, one call for all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from distributed import Client

from benchmarks.adapter import PATIENCE, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job
from benchmarks.processes import free_port, script


class Dask(Adapter):
    """A scheduler and workers on this machine."""

    name = "Dask distributed"
    durability = "none: the scheduler keeps it in memory"
    returns_early = True
    queues_alone = False  # it drops a task when its handle goes
    distributions = ("distributed", "dask")

    def start_server(self) -> str:
        """Start the scheduler."""
        port = free_port()
        self.processes.start(
            script("dask"),
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-dashboard",
        )
        self.processes.wait_for_port(port)
        return f"tcp://127.0.0.1:{port}"

    def start_workers(self, count: int) -> None:
        """Start ``count`` workers."""
        for _ in range(count):
            self.processes.start(
                script("dask"),
                *("worker", self.server, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
                *("--local-directory", str(self.processes.folder)),
            )

    def connect(self, server: str) -> None:
        """Open a client."""
        self._client = Client(server, timeout=PATIENCE)

    def disconnect(self) -> None:
        """Close the client."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop of ``submit``, and ``map``."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            function = FUNCTIONS[job]
            return [self._client.submit(function, payload, pure=False) for payload in payloads]

        def batch(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            made: Sequence[Any] = self._client.map(FUNCTIONS[job], payloads, pure=False)
            return made

        return {Way.EACH: each, Way.BATCH: batch}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Gather all at once."""
        return list(self._client.gather(list(handles)))
