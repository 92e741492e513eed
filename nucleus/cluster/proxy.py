"""A small TCP proxy of our own: the network between a worker and everybody else.

Workers of a cluster speak through one, so that a partition is a real one: bytes stop
arriving, nobody is told, and connections stay open until somebody loses patience.
"""

import asyncio
import contextlib

from nucleus.rpc import loop

CHUNK = 65_536  # bytes


class Proxy:
    """Forwards connections to ``host:port``. Everything here runs on the loop."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0  # where it listens, once started
        self.delay = 0.0  # seconds added to each piece of data, in both directions

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._open = asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def partition(self) -> None:
        """Swallow everything from now on; new connections are accepted, and lead nowhere."""
        self._open.clear()

    def heal(self) -> None:
        """Let everything through again, also what was held up."""
        self.delay = 0.0
        self._open.set()

    async def stop(self) -> None:
        """Close the port and all connections."""
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        # Cancelled only by ``stop``; asyncio would report a cancelled handler as an error.
        with contextlib.closing(writer), contextlib.suppress(asyncio.CancelledError):
            await self._open.wait()
            try:
                there_reader, there_writer = await asyncio.open_connection(*self._target)
            except OSError:
                return  # nobody there: the caller sees its connection closed
            with contextlib.closing(there_writer):
                # One direction that ends takes the other with it.
                await loop.first_of(
                    self._pump(reader, there_writer), self._pump(there_reader, writer)
                )

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
