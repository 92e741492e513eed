"""Monitoring as a service: two HTTP servers around one store."""

import time
from collections.abc import Callable

from nucleus.services.common.http import HttpServer
from nucleus.services.monitoring.apps import push_app, scrape_app
from nucleus.services.monitoring.groups import UP_WITHIN
from nucleus.services.monitoring.store import Store


class Monitoring:
    """Collects what the parts push, notices silence, and exposes everything to Prometheus.

    Port 0 takes a free one; ``push_port`` and ``scrape_port`` hold the real ones after
    ``start()``. What was pushed lives in memory and ends with this object. ``token`` is what
    those who push have to show, "" for nothing, and with ``protect_scrape`` Prometheus as well.
    ``worker_timeout`` is the master's: seconds of silence after which it gives a worker up.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        push_port: int = 8000,
        scrape_port: int = 8001,
        *,
        token: str = "",
        protect_scrape: bool = False,
        worker_timeout: float = UP_WITHIN,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.host = host
        store = Store(now, worker_timeout)
        self._push = HttpServer(
            push_app(store, token),
            host,
            push_port,
            name="monitoring-push",
            port_option="--push-port",
        )
        self._scrape = HttpServer(
            scrape_app(store, token if protect_scrape else ""),
            host,
            scrape_port,
            name="monitoring-scrape",
            port_option="--scrape-port",
        )

    @property
    def push_port(self) -> int:
        """Where the parts push to."""
        return self._push.port

    @property
    def scrape_port(self) -> int:
        """Where Prometheus scrapes."""
        return self._scrape.port

    def start(self) -> None:
        """Serve both ports, or neither: raises ``PortTaken`` naming the port and what to do."""
        self._push.start()
        try:
            self._scrape.start()
        except Exception:
            self._push.stop()
            raise

    def stop(self) -> None:
        """Free both ports at once. Idempotent."""
        self._push.stop()
        self._scrape.stop()

    def ready_line(self) -> str:
        """Return one line with the addresses."""
        return (
            f"monitoring: push to http://{self.host}:{self.push_port}, "
            f"scrape http://{self.host}:{self.scrape_port}/metrics"
        )
