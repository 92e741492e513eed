"""The last minutes of the cluster, as the sparklines show them, in bounded memory.

- ``Samples`` holds them; ``throughput()`` and ``waits()`` are what is drawn.
- ``Sampler`` takes one every two seconds, whether or not somebody looks: who opens the page
  after something happened wants to see it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import monotonic

from nucleus.client import Stats
from nucleus.core.errors import NucleusError
from nucleus.core.facts import fact
from nucleus.core.lifecycle import TERMINAL

logger = logging.getLogger("nucleus.dashboard")

INTERVAL = 2.0
"""Seconds between two samples."""

KEPT = 150
"""Samples: five minutes of them."""

Series = Sequence[float | None]
"""A value for each sample, oldest first; ``None`` where the master did not answer."""


@fact
class Sample:
    """What the sparklines need of the cluster at one moment."""

    at: float  # seconds, of the monotonic clock
    ledger_id: str
    ended: int  # jobs, in all
    wait: float  # seconds that the oldest job in the queue has waited


class Samples:
    """The last ``KEPT`` samples; ``None`` stands for a moment without an answer."""

    def __init__(self) -> None:
        self._samples: deque[Sample | None] = deque(maxlen=KEPT)

    def note(self, stats: Stats | None, at: float) -> None:
        """Add what the cluster was like at ``at``, in seconds of the monotonic clock."""
        if stats is None:
            self._samples.append(None)
            return
        ended = sum(stats.jobs.get(status.name, 0) for status in TERMINAL)
        self._samples.append(Sample(at, stats.ledger_id, ended, stats.oldest_queued_age))

    def throughput(self) -> Series:
        """Jobs that ended per second, between each two samples."""
        return [_rate(before, after) for before, after in pairwise(tuple(self._samples))]

    def waits(self) -> Series:
        """Seconds that the oldest job in the queue had waited, at each sample."""
        return [sample.wait if sample else None for sample in tuple(self._samples)]


def _rate(before: Sample | None, after: Sample | None) -> float | None:
    if before is None or after is None or before.ledger_id != after.ledger_id:
        return None
    # Of an ended job that is trimmed at the same time, the ledger still knows the count.
    return max(0, after.ended - before.ended) / max(after.at - before.at, 1e-3)


class Sampler:
    """Notes what ``look`` returns into ``samples``, from its own thread, until ``stop()``."""

    def __init__(
        self, look: Callable[[], Stats], samples: Samples, interval: float = INTERVAL
    ) -> None:
        self._look = look
        self._samples = samples
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dashboard-sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples. Waits for the one that is being taken. Idempotent."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._samples.note(self._look(), monotonic())
            except NucleusError as error:
                logger.debug("no sample: %s", error)
                self._samples.note(None, monotonic())
            self._stopping.wait(self._interval)
