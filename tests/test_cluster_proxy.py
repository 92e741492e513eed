"""The proxy: bytes go through, or come late, or in one direction only, or end in the middle."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from nucleus.cluster.proxy import Proxy
from nucleus.rpc.backoff import Backoff
from tests.support import free_port

LATE = 0.2  # seconds
PATIENCE = 5.0  # seconds; a test that waits that long has failed


@dataclass
class Server:
    """Somebody to be called: hears everything, and says what it is told to."""

    heard: bytes = b""
    callers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.append(writer)
        while data := await reader.read(1000):
            self.heard += data
        self.ended += 1
        writer.close()

    async def say(self, text: bytes) -> None:
        self.callers[-1].write(text)
        await self.callers[-1].drain()


@dataclass
class Call:
    """A connection through the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def hear(self) -> bytes:
        """What comes next; b"" at the end."""
        return await asyncio.wait_for(self.reader.read(1000), PATIENCE)


@dataclass
class Scene:
    """A server, a proxy in front of it, and a call that has gone through."""

    server: Server
    proxy: Proxy
    call: Call


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    proxy = Proxy("127.0.0.1", listening.sockets[0].getsockname()[1])
    await proxy.start()
    call = await open_call(proxy)
    try:
        await call.say(b"hello ")
        await until(lambda: server.heard == b"hello ")
        yield Scene(server, proxy, call)
    finally:
        call.writer.close()
        await proxy.stop()
        listening.close()


async def open_call(proxy: Proxy) -> Call:
    return Call(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def settle() -> None:
    """Let pass what can pass: a second call goes through another proxy and back."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    other = Proxy("127.0.0.1", listening.sockets[0].getsockname()[1])
    await other.start()
    call = await open_call(other)
    await call.say(b"x")
    await until(lambda: server.heard == b"x")
    await server.say(b"y")
    assert await call.hear() == b"y"
    call.writer.close()
    await other.stop()
    listening.close()


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a story in a scene of its own."""

    async def run() -> None:
        async with scene() as here:
            await story(here)

    asyncio.run(run())


def test_what_is_said_arrives_on_either_side() -> None:
    async def story(s: Scene) -> None:
        await s.server.say(b"welcome")
        assert await s.call.hear() == b"welcome"
        await s.call.say(b"world")
        await until(lambda: s.server.heard == b"hello world")

    play(story)


def test_a_mute_caller_hears_and_is_not_heard() -> None:
    async def story(s: Scene) -> None:
        s.proxy.cut(there=True, back=False)
        await s.call.say(b"world")
        await s.server.say(b"are you there?")
        assert await s.call.hear() == b"are you there?"
        await settle()
        assert s.server.heard == b"hello "
        s.proxy.heal()
        await until(lambda: s.server.heard == b"hello world")

    play(story)


def test_a_deaf_caller_is_heard_and_does_not_hear() -> None:
    async def story(s: Scene) -> None:
        s.proxy.cut(there=False, back=True)
        await s.server.say(b"are you there?")
        await s.call.say(b"world")
        await until(lambda: s.server.heard == b"hello world")
        heard = asyncio.create_task(s.call.hear())
        await settle()
        assert not heard.done()
        s.proxy.heal()
        assert await heard == b"are you there?"

    play(story)


def test_through_a_cut_that_is_whole_nobody_learns_of_an_end() -> None:
    async def story(s: Scene) -> None:
        s.proxy.cut(there=True, back=True)
        s.call.writer.close()
        await settle()
        assert s.server.ended == 0
        s.proxy.heal()
        await until(lambda: s.server.ended == 1)

    play(story)


def test_a_new_call_needs_both_directions() -> None:
    async def story(s: Scene) -> None:
        s.proxy.cut(there=False, back=True)
        second = await open_call(s.proxy)
        await second.say(b"anybody?")
        await settle()
        assert len(s.server.callers) == 1
        s.proxy.heal()
        await until(lambda: s.server.heard == b"hello anybody?")
        second.writer.close()

    play(story)


def test_where_nobody_is_the_connection_breaks_and_one_line_tells_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        server, port = Server(), free_port()
        proxy = Proxy("127.0.0.1", port, Backoff(logging.getLogger("nucleus.test"), "the way"))
        await proxy.start()
        for _ in range(3):
            with pytest.raises(ConnectionResetError):
                await (await open_call(proxy)).hear()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
        call = await open_call(proxy)
        await call.say(b"hello")
        await until(lambda: server.heard == b"hello")
        call.writer.close()
        await proxy.stop()
        listening.close()

    with caplog.at_level(logging.INFO, "nucleus.test"):
        asyncio.run(story())
    failed, works = caplog.messages
    assert failed.startswith("the way: ") and works == "the way: works again"


def test_a_dropped_connection_ends_in_the_middle_and_the_next_one_is_whole() -> None:
    async def story(s: Scene) -> None:
        assert s.proxy.drop() == 1
        await s.call.say(b"12345678")
        assert await s.call.hear() == b""
        await until(lambda: s.server.ended == 1)
        assert s.server.heard == b"hello 1234"
        again = await open_call(s.proxy)
        await again.say(b"12345678")
        await until(lambda: s.server.heard == b"hello 123412345678")
        again.writer.close()

    play(story)


def test_what_is_delayed_comes_late_and_whole() -> None:
    async def story(s: Scene) -> None:
        s.proxy.delay = LATE
        began = time.monotonic()
        await s.call.say(b"world")
        await until(lambda: s.server.heard == b"hello world")
        assert time.monotonic() - began >= LATE

    play(story)


def test_new_calls_can_be_led_elsewhere_while_open_ones_stay() -> None:
    async def story(s: Scene) -> None:
        other = Server()
        listening = await asyncio.start_server(other.serve, "127.0.0.1", 0)
        s.proxy.lead_to(listening.sockets[0].getsockname()[1])
        second = await open_call(s.proxy)
        await second.say(b"new")
        await s.call.say(b"old")
        await until(lambda: (s.server.heard, other.heard) == (b"hello old", b"new"))
        second.writer.close()
        listening.close()

    play(story)


def test_nobody_there_ends_the_call() -> None:
    async def story(s: Scene) -> None:
        s.proxy.lead_to(1)
        second = await open_call(s.proxy)
        with pytest.raises(ConnectionResetError):
            await second.hear()
        second.writer.close()

    play(story)
