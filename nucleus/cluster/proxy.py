"""A small TCP proxy of our own: the network between a part and those it calls.

Workers of a cluster speak through one, so that a partition is a real one: bytes stop
arriving, nobody is told, and connections stay open until somebody loses patience.

- ``cut`` holds up one direction, or both; ``delay`` makes everything late;
- ``drop`` breaks the connections in the middle of whatever they carry next;
- ``heal`` ends all that; ``lead_to`` sends new connections to another port.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass

from nucleus.rpc import loop
from nucleus.rpc.backoff import Backoff
from nucleus.services.common.ports import listen

CHUNK = 65_536  # bytes
ON_THE_WAY = 64  # chunks, in each direction of a connection
RESET = struct.pack("ii", True, 0)  # linger for no seconds: closing resets the connection


@dataclass(slots=True, eq=False)
class _Connection:
    """One caller's connection to the target."""

    dropping: bool = False  # what it carries next arrives in half


class Proxy:
    """Forwards connections to ``host:port``. Everything here runs on the loop.

    ``outage`` is who says so when nobody is there; without it nobody does.
    """

    def __init__(self, host: str, port: int, outage: Backoff | None = None) -> None:
        self._target = (host, port)
        self._outage = outage
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[_Connection] = set()
        self.port = 0  # where it listens, once started
        self.delay = 0.0  # seconds added to each piece of data, in both directions

    async def start(self, listener: socket.socket | None = None) -> None:
        """Listen on a socket, or on a free loopback port."""
        self._there, self._back = asyncio.Event(), asyncio.Event()  # set while bytes may pass
        self.heal()
        self._server = await asyncio.start_server(
            self._serve, sock=listener or listen("127.0.0.1", 0)
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def lead_to(self, port: int) -> None:
        """Forward new connections to another port; those that are open stay where they are."""
        self._target = (self._target[0], port)

    # ---- faults -----------------------------------------------------------------------

    def cut(self, *, there: bool, back: bool) -> None:
        """Hold up what callers say (``there``), what they would hear (``back``), or both.

        New connections are accepted and lead nowhere: opening one takes both directions.
        """
        for gate, closed in ((self._there, there), (self._back, back)):
            if closed:
                gate.clear()
            else:
                gate.set()

    def drop(self) -> int:
        """Break the open connections within the next piece of data; return how many.

        The first half of it arrives, and then nobody hears anything more.
        """
        for connection in self._connections:
            connection.dropping = True
        return len(self._connections)

    def heal(self) -> None:
        """Let everything through again, also what was held up."""
        self.delay = 0.0
        self.cut(there=False, back=False)

    # ---- forwarding -------------------------------------------------------------------

    async def stop(self) -> None:
        """Close the port and all connections."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # Cancelled only by ``stop``; asyncio would report a cancelled handler as an error.
        with contextlib.closing(writer), contextlib.suppress(asyncio.CancelledError):
            await self._there.wait()
            await self._back.wait()
            try:
                there_reader, there_writer = await asyncio.open_connection(*self._target)
            except OSError as reason:
                self._nobody_there(writer, reason)
                return
            if self._outage:
                self._outage.succeeded()
            connection = _Connection()
            self._connections.add(connection)
            try:
                # One direction that ends takes the other with it.
                await loop.first_of(
                    self._pump(reader, there_writer, self._there, connection),
                    self._pump(there_reader, writer, self._back, connection),
                )
            finally:
                self._connections.discard(connection)
                there_writer.close()

    def _nobody_there(self, writer: asyncio.StreamWriter, reason: OSError) -> None:
        """Break the caller's connection, as a machine does where nobody listens.

        Not close it: so a master does that expects TLS, and callers tell one from the other.
        """
        if self._outage:
            self._outage.failed(reason.strerror or reason)  # callers know when to call again
        caller = writer.get_extra_info("socket")
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event,
        connection: _Connection,
    ) -> None:
        # What is read now leaves later, but what comes behind it does not wait for that as well.
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
        reading = asyncio.ensure_future(self._read(reader, on_the_way))
        try:
            await self._write(on_the_way, writer, gate, connection)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await gate.wait()  # that a connection has ended is a message, too

    async def _read(
        self, reader: asyncio.StreamReader, on_the_way: "asyncio.Queue[tuple[float, bytes]]"
    ) -> None:
        data = b"more"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            await on_the_way.put((asyncio.get_running_loop().time() + self.delay, data))

    async def _write(
        self,
        on_the_way: "asyncio.Queue[tuple[float, bytes]]",
        writer: asyncio.StreamWriter,
        gate: asyncio.Event,
        connection: _Connection,
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = await on_the_way.get()
                if (late := due - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(late)
                if not data:
                    return
                await gate.wait()
                writer.write(data[: len(data) // 2] if connection.dropping else data)
                await writer.drain()
                if connection.dropping:
                    return
