"""The dashboard as a service: an HTTP server around a gateway to one master."""

from contextlib import ExitStack, closing

from nucleus.jobs import Registry, default_registry
from nucleus.rpc.access import OPEN, Access
from nucleus.services.common.http import RunningServer
from nucleus.services.common.options import MASTER
from nucleus.services.common.ports import listen
from nucleus.services.dashboard.app import dashboard_app
from nucleus.services.dashboard.gateway import PATIENCE, Gateway
from nucleus.services.dashboard.samples import Sampler, Samples

THREADS = 32
"""Requests answered at once. Each waits for the master, mostly, and a commit takes in many."""


class Dashboard:
    """Turns HTTP into calls to the master at ``HOST:PORT``.

    ``port`` 0 takes a free one; after ``start`` it is the real one. A missing master is not
    waited for: until it answers, a request is answered with 503 after ``patience`` seconds.
    ``registry`` holds the job types whose payloads are checked and described here. ``access`` is
    what the master asks for; its token is also what the dashboard asks for.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        *,
        master: str = MASTER,
        registry: Registry | None = None,
        patience: float = PATIENCE,
        access: Access = OPEN,
    ) -> None:
        self.host = host
        self.port = port
        self.master = master
        self._registry = registry or default_registry()
        self._patience = patience
        self._access = access
        self._running: tuple[RunningServer, Sampler, Gateway] | None = None

    @property
    def url(self) -> str:
        """``http://HOST:PORT``, where ``GET /`` is the web page."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Serve. Raises ``PortTaken`` naming the port and what to do."""
        if self._running is not None:
            return
        # First the port: a dashboard that cannot have it does not even look for the master.
        with ExitStack() as undo:
            listener = undo.enter_context(listen(self.host, self.port))
            gateway = undo.enter_context(
                closing(Gateway(self.master, self._registry, self._patience, self._access))
            )
            samples = Samples()
            app = dashboard_app(gateway, self._registry, self._access.token, samples)
            server = RunningServer(app, listener, "dashboard", THREADS)
            undo.pop_all()
        self.port = listener.getsockname()[1]
        self._running = server, Sampler(gateway.glance, samples), gateway

    def stop(self) -> None:
        """Free the port, end every request, drop the connection. Idempotent.

        A request that waits for a missing master right now delays it, by ``patience`` at most.
        """
        running, self._running = self._running, None
        if running is not None:
            server, sampler, gateway = running
            server.stop()
            sampler.stop()
            gateway.close()

    def ready_line(self) -> str:
        """Return one line with the addresses."""
        return f"dashboard: {self.url} for the master at {self.master}"
