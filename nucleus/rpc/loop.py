"""The one ``grpc.aio`` loop of a process, owned by one background thread.

``grpc.aio`` objects on several loops of one process get in each other's way, and a
notebook's own loop must not be blocked; so everything that speaks gRPC here runs on this
loop. It starts with its first user and ends with its last: :func:`acquire` and
:func:`release` come in pairs.
"""

import asyncio
import errno
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

logger = logging.getLogger("nucleus.rpc")

T = TypeVar("T")

_lock = threading.Lock()
_users = 0
_current: "LoopThread | None" = None


class LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(_log)
        self._thread = threading.Thread(target=self._serve, name="nucleus-loop", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self._end_tasks())
        self.loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_default_executor()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run ``coroutine`` on the loop; the future may be waited for in any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run ``coroutine`` on the loop and wait for it, at most ``timeout`` seconds."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this would wait for itself: call it from another thread")
        return self.start(coroutine).result(timeout)

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call ``function`` on the loop, soon."""
        self.loop.call_soon_threadsafe(function, *args)

    def close(self) -> None:
        """Cancel what still runs on the loop and end its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()


def acquire() -> LoopThread:
    """The process's loop, started if need be; give it back with :func:`release`."""
    global _users, _current
    with _lock:
        _users += 1
        if _current is None:
            _current = LoopThread()
        return _current


def release() -> None:
    """Give the loop back; with its last user it ends."""
    global _users, _current
    with _lock:
        _users -= 1
        ending = _current if _users == 0 else None
        if ending is not None:
            _current = None
    if ending is not None:
        ending.close()


def _log(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody caught; asyncio's own handler ends up on stderr, which costs marks."""
    error = context.get("exception")
    # gRPC's poller may call once more after it was shut down, or bring what a call on a loop that
    # has ended was waiting for; nothing is lost by either.
    harmless = isinstance(error, OSError) and error.errno == errno.EBADF
    harmless |= isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
    level = logging.DEBUG if harmless else logging.ERROR
    logger.log(level, "on the loop: %s", context.get("message"), exc_info=error)


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run ``coroutines`` until one of them ends; the others are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
