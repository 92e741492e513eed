"""Remote calls over the simulated network, in the shape that gRPC gives them.

A :class:`Channel` is what ``nucleus.rpc.channel.open_channel`` would return, so the real
stubs, and the shells above them, notice no difference. Messages are handed over as they are:
nobody changes one after sending it, and turning them into bytes and back is tested elsewhere.

What a lost message does is what it does to gRPC: an answer that does not come ends in
``DEADLINE_EXCEEDED``; a stream that loses a message is broken, and each end notices in its
own time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import grpc
import grpc.aio

from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.status import failed
from nucleus.sim.network import DOWN, UP, Link
from nucleus.sim.world import Process, World

UNREAD = 4  # messages of a stream that its reader may leave unread before the writer waits
NOTICED = 2.0  # seconds within which an end notices that a connection broke
KEEPALIVE = 15.0  # seconds after which a connection that says nothing is given up

Code = grpc.StatusCode


class Channel:
    """What a stub is made from: a link, and where it leads."""

    def __init__(self, link: Link, server: Callable[[], "Server"]) -> None:
        self.link = link
        self.server = server

    def unary_unary(self, path: str, **_: Any) -> Callable[..., "UnaryCall"]:
        """Make a method with one answer."""
        return partial(UnaryCall, self, path.rpartition("/")[2])

    def unary_stream(self, path: str, **_: Any) -> Callable[..., "StreamCall"]:
        """Make a method with a stream of answers."""
        return partial(StreamCall, self, path.rpartition("/")[2])

    def stream_stream(self, path: str, **_: Any) -> Callable[..., "ConversationCall"]:
        """Make a method with questions and answers in turn."""
        return partial(ConversationCall, self, path.rpartition("/")[2].removesuffix("Stream"))

    async def close(self) -> None:
        """Nothing to let go of."""


class Server(Process):
    """A process that answers calls."""

    def __init__(self, world: World, name: str, life: int) -> None:
        super().__init__(world, name, life)
        self.listening = False
        self.calls: dict[Call, int] = {}  # requests that arrived and are not done with

    def arrived(self, call: "Call") -> None:
        """A request has arrived, also at one that stands still."""

    def serve(self, call: "Call") -> "asyncio.Task[None]":
        """Begin to answer ``call``."""
        raise NotImplementedError

    def done(self, call: "Call") -> None:
        """One request of ``call`` (it may have been doubled) is done with."""
        self.calls[call] -= 1
        if not self.calls[call]:
            del self.calls[call]

    def die(self) -> None:
        """End at once; its callers notice, each in its own time."""
        super().die()
        for call in self.calls:
            call.server_died()


class Call:
    """What both kinds of call have in common: the way of the request, and giving up."""

    def __init__(self, channel: Channel, method: str, request: Any) -> None:
        self.link, self.method, self.request = channel.link, method, request
        self.world = self.link.world
        self.over = False  # for the caller
        self._server = channel.server
        self._handlers: list[tuple[Server, asyncio.Task[None]]] = []
        jobs = _job_ids(request)
        for _ in range(2 if self.link.spells.hit("duplicate") else 1):
            self.link.carry(UP, self._arrive, method, jobs)

    def _arrive(self) -> None:
        server = self._server()
        if not (server.alive and server.listening):
            self._refused()
        elif not self.over or self.link.process.rng.random() < 0.5:
            server.calls[self] = server.calls.get(self, 0) + 1
            server.arrived(self)
            server.loop.call_soon(self._begin, server)

    def _refused(self) -> None:
        """Nobody listens."""
        self.answer(None, failed(Code.UNAVAILABLE, "connection refused"))

    def _begin(self, server: Server) -> None:
        self._handlers.append((server, server.serve(self)))

    def answer(self, message: Any, error: Any = None) -> None:
        """Send the answer, or the error that ends the call."""
        jobs = _job_ids(message)
        self.link.carry(DOWN, lambda: self._hear(message, error), f"{self.method} answer", jobs)

    def _hear(self, message: Any, error: Any) -> None:
        self.link.process.loop.call_soon(self.settle, message, error)

    def settle(self, message: Any, error: Any) -> None:
        """The answer has come."""
        raise NotImplementedError

    def server_died(self) -> None:
        """Who should answer is gone."""
        gone = failed(Code.UNAVAILABLE, "connection lost")
        delay = self.link.process.rng.expovariate(100.0)
        self.world.after(delay, lambda: self._hear(None, gone))

    def give_up(self) -> None:
        """The caller no longer waits: the server stops working for it, in its own time."""
        self.over = True
        delay = self.link.process.rng.expovariate(100.0) + KEEPALIVE * bool(self.link.cuts[UP])
        for server, task in self._handlers:
            self.world.after(delay, partial(server.loop.call_soon, task.cancel))


class UnaryCall(Call):
    """A call with one answer; awaited."""

    def __init__(
        self, channel: Channel, method: str, request: Any, timeout: float | None = None
    ) -> None:
        loop = channel.link.process.loop
        self._future: asyncio.Future[Any] = loop.create_future()
        super().__init__(channel, method, request)
        self._deadline = loop.call_later(timeout, self._late) if timeout else None
        self._future.add_done_callback(self._ended)

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the answer."""
        return self._future.__await__()

    def _late(self) -> None:
        self.settle(None, failed(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"))
        self.give_up()

    def settle(self, message: Any, error: Any) -> None:
        """End the call, unless it has ended."""
        if self._future.done():
            return
        if error is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(message)

    def _ended(self, future: "asyncio.Future[Any]") -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if future.cancelled():
            self.give_up()
        self.over = True


class ConversationCall:
    """A call with questions and answers in turn: each question is a call of its own here.

    More can happen to those: a stream does not double a message, nor have one overtake another.
    """

    def __init__(self, channel: Channel, method: str) -> None:
        self._ask = partial(UnaryCall, channel, method)
        self._asked: UnaryCall | None = None
        self._over = False

    def done(self) -> bool:
        """Whether it has ended."""
        return self._over

    async def write(self, question: Any) -> None:
        """Ask."""
        self._asked = self._ask(question)

    async def read(self) -> Any:
        """The answer; raises ``AioRpcError``, and has ended then."""
        assert self._asked is not None
        try:
            return await self._asked
        except BaseException:
            self._over = True
            raise

    def cancel(self) -> bool:
        """End it from this side; whoever waits for an answer was cancelled already."""
        self._over = True
        return True


class StreamCall(Call):
    """A call with a stream of answers; the server's ``write`` waits for a slow reader."""

    def __init__(self, channel: Channel, method: str, request: Any) -> None:
        self._inbox: deque[Any] = deque()
        self._end: BaseException | None = None
        self._cancelled = False
        self._news: asyncio.Future[None] | None = None
        self._unread = 0  # messages written and not read
        self._room: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None  # the handler that is heard
        self._last = 0.0  # when the latest message arrives
        self._broken = False
        super().__init__(channel, method, request)
        self.link.streams[self] = None

    # ---- the reader -------------------------------------------------------------------

    async def read(self) -> Any:
        """The next message; ``grpc.aio.EOF`` at the end, ``AioRpcError`` when it broke."""
        while not self._inbox:
            if self._cancelled:
                raise asyncio.CancelledError
            if isinstance(self._end, EOFError):
                return grpc.aio.EOF
            if self._end is not None:
                raise self._end
            self._news = self.link.process.loop.create_future()
            await self._news
        self.world.after(0.001, self._consumed)
        return self._inbox.popleft()

    def cancel(self) -> bool:
        """End the stream from this side."""
        if self.over:
            return False
        self._cancelled = True
        self._inbox.clear()
        self._finish(None)
        self.give_up()
        return True

    def _finish(self, end: BaseException | None) -> None:
        if not self.over:
            self.over = True
            self.link.streams.pop(self, None)
            self._end = end
            self._wake()

    def _wake(self) -> None:
        if self._news is not None:
            _go_on(self._news)

    def settle(self, message: Any, error: Any) -> None:
        """A message or the end has come."""
        if self.over:
            return
        if error is not None:
            self._finish(error)
        else:
            self._inbox.append(message)
            self._wake()

    # ---- the writer -------------------------------------------------------------------

    async def write(self, message: Any) -> None:
        """Send a message; wait while too many are unread. Called by the server's handler."""
        writer = asyncio.current_task()
        self._writer = self._writer or writer
        if writer is not self._writer:  # a doubled request: nobody hears its answers
            return
        while self._unread >= UNREAD:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._unread += 1
        self._send(message, None)

    def _refused(self) -> None:
        if self._writer is None:  # else it is the second of a doubled request
            self._send(None, failed(Code.UNAVAILABLE, "connection refused"))

    def answer(self, message: Any, error: Any = None) -> None:
        """End the stream. Called by the server's handler."""
        if self._writer is None or asyncio.current_task() is self._writer:
            self._send(None, error or EOFError())

    def _send(self, message: Any, error: Any) -> None:
        if self._broken:
            return
        if self.link.spells.hit("broken-stream"):
            self.cut()
            return
        jobs = _job_ids(message)
        what = f"{self.method} message"
        # Nothing is lost from the midst of a stream, and what follows heard: it breaks.
        self._last = self.link.carry(
            DOWN, lambda: self._hear(message, error), what, jobs, after=self._last, lost=self.cut
        )

    def _hear(self, message: Any, error: Any) -> None:
        if not self._broken:
            super()._hear(message, error)

    def _consumed(self) -> None:
        self._unread -= 1
        room, self._room = self._room, None
        if room is not None:
            room.get_loop().call_soon(_go_on, room)

    def server_died(self) -> None:
        """Who should write is gone."""
        self.cut()

    def cut(self) -> None:
        """The connection breaks; each end notices in its own time."""
        if self._broken:
            return
        self._broken = True
        rng = self.link.process.rng
        gone = failed(Code.UNAVAILABLE, "connection lost")
        self.world.after(
            rng.uniform(0, NOTICED),
            lambda: self.link.process.loop.call_soon(self._finish, gone),
        )
        for server, task in self._handlers:
            noticed = partial(server.loop.call_soon, task.cancel)
            self.world.after(rng.uniform(0, NOTICED), noticed)


def _go_on(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _job_ids(message: Any) -> tuple[str, ...]:
    """The jobs that a message is about, for whoever draws it."""
    match message:
        case pb.SendResultsRequest():
            return tuple(message.results.job_ids)
        case pb.JobBatch():
            return tuple(job_id for leases in message.leases for job_id in leases.job_ids)
        case pb.CancelJobRequest() | pb.RetryJobRequest():
            return (message.job_id,)
        case pb.SendJobsReply():
            return tuple(job_id for job_id in message.job_ids if job_id)
    return ()
