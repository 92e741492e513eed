"""IPython Parallel: https://ipyparallel.readthedocs.io

Settings: a load-balanced view, ``hwm=0`` (no limit to what an engine is sent ahead). The
``pure`` scheduler, written in C, gives up when an engine goes, and was no faster. A call
returns before the controller has it. ``map`` with chunks would be one task for many calls,
lost and repeated as one, so it is not a batch way of the kind measured here; with one call to
a task it is the loop again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ipyparallel

from benchmarks.adapter import PATIENCE, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job


class Ipyparallel(Adapter):
    """A controller and engines on this machine."""

    name = "IPython Parallel"
    durability = "none: the controller keeps it in memory"
    returns_early = True
    queues_alone = False
    distributions = ("ipyparallel", "pyzmq")

    def start_server(self) -> str:
        """Start the controller."""
        self._cluster = ipyparallel.Cluster(
            profile_dir=str(self.processes.folder / "profile"),
            controller_args=["--TaskScheduler.hwm=0"],
            log_level=40,
        )
        self._cluster.start_controller_sync()
        return str(self._cluster.cluster_id)

    def start_workers(self, count: int) -> None:
        """Start ``count`` engines."""
        self._cluster.start_engines_sync(count)
        self._engines = count

    def connect(self, server: str) -> None:
        """Open a view once every engine is there."""
        self._client = self._cluster.connect_client_sync()
        self._client.wait_for_engines(self._engines, timeout=PATIENCE)
        self._view = self._client.load_balanced_view()

    def disconnect(self) -> None:
        """Close the client and stop the cluster."""
        if client := self.__dict__.pop("_client", None):
            client.close()
        if cluster := self.__dict__.pop("_cluster", None):
            cluster.stop_cluster_sync()

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop of ``apply_async``."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            function = FUNCTIONS[job]
            return [self._view.apply_async(function, payload) for payload in payloads]

        return {Way.EACH: each}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for each result, in order."""
        return [handle.get(PATIENCE) for handle in handles]
