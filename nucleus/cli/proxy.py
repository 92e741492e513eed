"""``nucleus proxy``: a slow network between two parts, on purpose."""

import logging
import socket

import click

from nucleus.cluster.proxy import Proxy
from nucleus.rpc import loop
from nucleus.rpc.backoff import Backoff
from nucleus.services.common.exposure import warn_if_exposed
from nucleus.services.common.main import run_service
from nucleus.services.common.options import LOG_LEVELS, MASTER, host_port, option
from nucleus.services.common.ports import listen

logger = logging.getLogger("nucleus.proxy")


@click.command()
@option(
    "--listen",
    "address",
    type=host_port,
    metavar="HOST:PORT",
    default="127.0.0.1:50052",
    envvar="NUCLEUS_PROXY_LISTEN",
    help="Where to take connections.",
)
@option("--to", type=host_port, metavar="HOST:PORT", default=MASTER, help="Where they are led to.")
@option(
    "--delay",
    type=click.FloatRange(min=0, max=60),
    default=0.2,
    metavar="SECONDS",
    help="How much later every piece of data arrives, in each direction.",
)
@option("--log-level", type=click.Choice(LOG_LEVELS), default="info", help="How much to log.")
@click.pass_context
def proxy(ctx: click.Context, address: str, to: str, delay: float, log_level: str) -> None:
    """Lead connections to another address, slowly.

    What a slow network does to heartbeats, throughput and latency can so be seen on one
    machine: start the proxy, and give its address to a worker or a client as its master.

    \b
    Example: workers that are half a second away.
      nucleus proxy --delay 0.25
      nucleus worker --master 127.0.0.1:50052
    """
    host, _, port = address.rpartition(":")
    warn_if_exposed("proxy", host, f"and whoever reaches it reaches {to}")
    listener = listen(host, int(port), "--listen", "--listen")
    ctx.exit(
        run_service(
            lambda ending: SlowNetwork(listener, to, delay), part="proxy", log_level=log_level
        )
    )


class SlowNetwork:
    """A proxy in the shape of a service."""

    def __init__(self, listener: socket.socket, to: str, delay: float) -> None:
        host, _, port = to.rpartition(":")
        self._listener, self._to, self._delay = listener, to, delay
        self._proxy = Proxy(host, int(port), Backoff(logger, f"nobody takes connections at {to}"))

    def start(self) -> None:
        """Take connections."""
        self._loop = loop.acquire()
        self._loop.run(self._proxy.start(self._listener))
        self._proxy.delay = self._delay

    def stop(self) -> None:
        """Drop all connections."""
        self._loop.run(self._proxy.stop())
        loop.release()

    def ready_line(self) -> str:
        """Say what leads where."""
        host, port = self._listener.getsockname()[:2]
        return f"proxy: {host}:{port} leads to {self._to}, {self._delay:g} s later each way"
