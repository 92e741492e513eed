"""A master to play with: one that runs already, or one of our own."""

import os
from contextlib import ExitStack
from types import TracebackType

from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.core.errors import Unavailable
from nucleus.notebook.fault_panel import FaultPanel
from nucleus.notebook.metrics_panel import MetricsPanel
from nucleus.notebook.picture import Picture
from nucleus.notebook.submit_panel import SubmitPanel

PATIENCE = 2.0  # seconds in which a master has to answer


class Playground:
    """The picture and the panels for the master at ``address``.

    Addresses that are not given are taken from the environment, ``NUCLEUS_MASTER`` and
    ``NUCLEUS_SCRAPE_URL``, as in a container; those of ``nucleus up`` are the last resort.
    Where no master answers, a small cluster is started, so that there is something to play
    with; ``cluster`` is that one, or ``None``, and only that one has ``faults``: nobody breaks
    what others use. :meth:`close` ends what was started here, and nothing else.
    """

    def __init__(
        self,
        address: str | None = None,
        metrics: str | None = None,
    ) -> None:
        address = address or os.environ.get("NUCLEUS_MASTER", "127.0.0.1:50051")
        metrics = metrics or os.environ.get("NUCLEUS_SCRAPE_URL", "http://127.0.0.1:8001/metrics")
        self._open = ExitStack()
        self.cluster: Cluster | None = None
        self.client = self._open.enter_context(Client(address))
        try:
            self.client.stats(PATIENCE)
        except Unavailable:
            self._open.close()
            self.cluster = self._open.enter_context(Cluster(name="playground"))
            self.client, metrics = self.cluster.client, self.cluster.scrape_url
        self.picture = Picture(self.client, self.cluster)
        self.submit = SubmitPanel(self.client)
        self.faults = FaultPanel(self.cluster) if self.cluster else None
        self.metrics = MetricsPanel(metrics)
        self._open.callback(self.metrics.stop)

    def __repr__(self) -> str:
        """Whose master it is."""
        whose = "a cluster of its own" if self.cluster else "a master that was there"
        return f"<Playground on {whose}, at {self.client.address}>"

    def close(self) -> None:
        """End what was started here. Idempotent."""
        self._open.close()

    def __enter__(self) -> "Playground":
        """Use in a ``with``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
