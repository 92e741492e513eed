"""What lies between one part of a cluster and those that it calls."""

from typing import Literal, get_args

from nucleus.cluster.proxy import Proxy

NetworkFault = Literal["partition", "mute", "deaf", "slow", "drop"]
NETWORK_FAULTS: tuple[str, ...] = get_args(NetworkFault)

SLOW_DELAY = 0.5  # seconds added to everything that a slow part hears and says


class Network:
    """A part's ways to the master and, where it pushes metrics, to Monitoring.

    Everything here runs on the loop.
    """

    def __init__(self, master_port: int, push_port: int) -> None:
        self._to_master = Proxy("127.0.0.1", master_port)
        self._to_monitoring = Proxy("127.0.0.1", push_port)
        self._proxies = (self._to_master, self._to_monitoring)

    async def start(self) -> None:
        """Open the ways."""
        for proxy in self._proxies:
            await proxy.start()

    async def stop(self) -> None:
        """Close them."""
        for proxy in self._proxies:
            await proxy.stop()

    @property
    def address(self) -> str:
        """The master, as the part reaches it."""
        return f"127.0.0.1:{self._to_master.port}"

    @property
    def push_url(self) -> str:
        """Monitoring, as the part reaches it."""
        return f"http://127.0.0.1:{self._to_monitoring.port}"

    def lead_to(self, master_port: int) -> None:
        """Let new connections lead to another master; open ones stay with the one they have."""
        self._to_master.lead_to(master_port)

    def disturb(self, how: NetworkFault) -> None:
        """Break it.

        ``partition``: nothing gets through; ``mute``: nothing that the part says does;
        ``deaf``: nothing that it would hear; ``slow``: everything arrives late; ``drop``: its
        connections break in the middle. :meth:`heal` ends all but the last, which is over
        at once.
        """
        for proxy in self._proxies:
            if how == "slow":
                proxy.delay = SLOW_DELAY
            elif how == "drop":
                proxy.drop()
            else:
                proxy.cut(there=how != "deaf", back=how != "mute")

    def heal(self) -> None:
        """Let everything through."""
        for proxy in self._proxies:
            proxy.heal()
