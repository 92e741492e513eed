"""Looks at the scrape endpoint now and then, as Prometheus would, and remembers."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import requests
from prometheus_client.parser import text_string_to_metric_families

from nucleus.cluster import Cluster, FaultLog
from nucleus.history.observations import Fault
from nucleus.pictures import Sample

logger = logging.getLogger("nucleus.notebook")

INTERVAL = 0.5  # seconds between two looks
TIMEOUT = 2.0  # seconds for one look
KEPT = 7_200  # samples: an hour
HEARTBEAT = "nucleus_worker_last_heartbeat_timestamp_seconds"


class Sampler:
    """Samples ``http://…/metrics`` from a background thread until it is stopped.

    Of a cluster it remembers the faults as well, of which the endpoint says nothing. ``on_look``
    is called from that thread after each look that found something.
    """

    def __init__(
        self,
        source: Cluster | str,
        interval: float = INTERVAL,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._faults = FaultLog()
        if isinstance(source, Cluster):
            source.listen(self._faults.hear)
        self._url = source if isinstance(source, str) else source.scrape_url
        self._on_look = on_look
        self._interval = interval
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nucleus-sampler", daemon=True)
        self._thread.start()

    @property
    def samples(self) -> list[Sample]:
        """What was seen so far, oldest first."""
        return list(self._samples)

    @property
    def faults(self) -> list[Fault]:
        """What the cluster was made to suffer so far."""
        return self._faults.faults

    def stop(self) -> None:
        """Look no more; what was seen stays. Idempotent."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # a neighbour: no proxy stands between
            while not self._stopping.wait(self._interval):
                try:
                    text = session.get(self._url, timeout=TIMEOUT).text
                    self._samples.append(read_sample(text, time.time()))
                    self._on_look()
                except (requests.RequestException, ValueError) as error:
                    logger.debug("no sample: %s", error)


def read_sample(text: str, now: float) -> Sample:
    """Read one sample from the exposition ``text``, seen at ``now`` (Unix seconds)."""
    jobs: dict[str, float] = {}
    ages: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "nucleus_jobs":
                jobs[sample.labels["status"]] = sample.value
            elif sample.name == HEARTBEAT:
                ages[sample.labels["worker"]] = max(0.0, now - sample.value)
    return Sample(now, jobs, ages)
