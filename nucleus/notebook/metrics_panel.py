"""A panel that draws what the scrape endpoint says, live."""

import html
from typing import Any

import ipywidgets as widgets

from nucleus.cluster import Cluster
from nucleus.core.limits import Limits
from nucleus.history.observations import Fault
from nucleus.notebook.chart import chart, say
from nucleus.notebook.fallback import Bundle, bundle
from nucleus.notebook.feed import feed_of
from nucleus.notebook.sampler import Sampler
from nucleus.notebook.scene import View
from nucleus.pictures import Sample

INTERVAL = 1.0  # seconds between two looks
NOTHING_YET = "The scrape endpoint was not looked at yet."


class MetricsPanel:
    """Queue depth and heartbeat ages, from ``http://…/metrics`` or that of a cluster.

    It looks once a second until :meth:`stop`, or until the cluster stops. ``box`` is the
    widget, ``samples`` what it saw, oldest first, and ``faults`` what was done to the cluster.
    """

    def __init__(self, source: Cluster | str, interval: float = INTERVAL) -> None:
        self._timeout = Limits().worker_timeout
        self.plot = widgets.HTML()
        self.said = widgets.HTML(NOTHING_YET)
        self.box = widgets.VBox([self.plot, self.said])
        self._sampler = Sampler(source, interval, self._show)
        if isinstance(source, Cluster):
            feed_of(source.client).listen(self._follow)

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        words = say(self.samples, self._timeout) if self.samples else NOTHING_YET
        return bundle(self.box, options, words, f"{self.plot.value}<p>{html.escape(words)}</p>")

    @property
    def samples(self) -> list[Sample]:
        """What was seen, oldest first."""
        return self._sampler.samples

    @property
    def faults(self) -> list[Fault]:
        """What the cluster was made to suffer meanwhile; they are shaded."""
        return self._sampler.faults

    def stop(self) -> None:
        """Look no more. Idempotent."""
        self._sampler.stop()

    def _show(self) -> None:
        samples = self._sampler.samples
        self.plot.value = chart(samples, self._timeout, self.faults)
        self.said.value = html.escape(say(samples, self._timeout))

    def _follow(self, view: View) -> None:
        self._timeout = view["worker_timeout"]
        if view["link"] == "closed":
            self.stop()
