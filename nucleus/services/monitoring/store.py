"""The groups behind a lock and a clock, shared by the push port and the scrape port."""

import logging
import threading
from collections.abc import Callable, Iterable

from nucleus.services.monitoring.groups import UP_WITHIN, Groups
from nucleus.services.monitoring.text_format import Family, Labels

logger = logging.getLogger("nucleus.monitoring")


class Store:
    """Thread-safe ``Groups`` that reads the clock itself.

    ``now`` returns Unix seconds, because what it stamps is compared with Prometheus's own
    clock. Silent groups are evicted whenever somebody looks, so no timer is needed.
    ``worker_timeout`` is for ``Groups``.
    """

    def __init__(self, now: Callable[[], float], worker_timeout: float = UP_WITHIN) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._groups = Groups(worker_timeout)

    def push(self, labels: Labels, families: Iterable[Family], *, replace_all: bool) -> None:
        """Take a push; raise and change nothing if it does not fit (see ``Groups``)."""
        with self._lock:
            self._evict()
            self._groups.push(labels, families, self._now(), replace_all=replace_all)

    def delete(self, labels: Labels) -> None:
        """Forget a group."""
        with self._lock:
            self._groups.delete(labels)

    def collect(self) -> list[Family]:
        """Return what is to be exposed now."""
        with self._lock:
            self._evict()
            return self._groups.collect(self._now())

    def _evict(self) -> None:
        for labels in self._groups.evict(self._now()):
            logger.info("dropped the group %s: nobody pushes it any more", dict(labels))
