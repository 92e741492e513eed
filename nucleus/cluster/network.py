"""What lies between one worker and the rest of its cluster."""

from nucleus.cluster.proxy import Proxy


class WorkerNetwork:
    """A worker's way to the master and to Monitoring. Everything here runs on the loop."""

    def __init__(self, master_port: int, push_port: int) -> None:
        self._to_master = Proxy("127.0.0.1", master_port)
        self._to_monitoring = Proxy("127.0.0.1", push_port)
        self._proxies = (self._to_master, self._to_monitoring)

    async def start(self) -> None:
        """Open the way."""
        for proxy in self._proxies:
            await proxy.start()

    async def stop(self) -> None:
        """Close it."""
        for proxy in self._proxies:
            await proxy.stop()

    @property
    def address(self) -> str:
        """The master, as the worker reaches it."""
        return f"127.0.0.1:{self._to_master.port}"

    @property
    def push_url(self) -> str:
        """Monitoring, as the worker reaches it."""
        return f"http://127.0.0.1:{self._to_monitoring.port}"

    def partition(self) -> None:
        """Let nothing through."""
        for proxy in self._proxies:
            proxy.partition()

    def slow(self, delay: float) -> None:
        """Let everything through ``delay`` seconds late."""
        for proxy in self._proxies:
            proxy.delay = delay

    def heal(self) -> None:
        """Let everything through."""
        for proxy in self._proxies:
            proxy.heal()
