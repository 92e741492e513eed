"""The one loop of a process: shared, never waiting for itself, gone with its last user."""

import asyncio
import errno
import logging
import threading

import pytest

from nucleus.rpc import loop


async def _thread_name() -> str:
    return threading.current_thread().name


def test_everybody_shares_one_loop_and_it_ends_with_its_last_user() -> None:
    first, second = loop.acquire(), loop.acquire()
    try:
        assert first is second
        assert first.run(_thread_name()) == "nucleus-loop"
        loop.release()
        assert second.run(_thread_name()) == "nucleus-loop"
    finally:
        loop.release()
    assert second.loop.is_closed()
    third = loop.acquire()
    try:
        assert third is not first
        assert third.run(_thread_name()) == "nucleus-loop"
    finally:
        loop.release()


def test_waiting_on_the_loop_for_the_loop_is_refused() -> None:
    running = loop.acquire()

    async def waits_for_itself() -> str:
        return running.run(_thread_name())

    try:
        with pytest.raises(RuntimeError, match="this would wait for itself"):
            running.run(waits_for_itself())
    finally:
        loop.release()


def test_what_still_runs_is_cancelled_when_the_loop_ends() -> None:
    running = loop.acquire()
    ended = threading.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = running.start(for_ever())
    running.run(_thread_name())
    loop.release()
    assert ended.wait(timeout=60)
    assert future.cancelled()


def test_waiting_gives_up_after_its_timeout() -> None:
    running = loop.acquire()
    try:
        with pytest.raises(TimeoutError):
            running.run(asyncio.sleep(30), timeout=0.01)
    finally:
        loop.release()


def test_an_error_on_the_loop_is_raised_where_it_is_waited_for() -> None:
    running = loop.acquire()

    async def fails() -> None:
        raise ValueError("boom")

    try:
        with pytest.raises(ValueError, match="boom"):
            running.run(fails())
        assert running.run(_thread_name()) == "nucleus-loop"
    finally:
        loop.release()


def test_the_first_of_several_ends_the_others() -> None:
    running = loop.acquire()
    ended: list[str] = []

    async def wait(name: str, event: asyncio.Event) -> None:
        try:
            await event.wait()
        finally:
            ended.append(name)

    async def race() -> None:
        never, now = asyncio.Event(), asyncio.Event()
        now.set()
        await loop.first_of(wait("never", never), wait("now", now))

    try:
        running.run(race(), timeout=60)
    finally:
        loop.release()
    assert sorted(ended) == ["never", "now"]


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (OSError(errno.EBADF, "Bad file descriptor"), logging.DEBUG),
        (RuntimeError("Event loop is closed"), logging.DEBUG),
        (OSError(errno.EPIPE, "Broken pipe"), logging.ERROR),
        (RuntimeError("something else"), logging.ERROR),
    ],
)
def test_what_grpc_brings_too_late_is_no_error(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    async def until_it_has_failed() -> None:
        running.call(fail)
        while not caplog.records:
            await asyncio.sleep(0)

    caplog.set_level(logging.DEBUG, "nucleus.rpc")
    running = loop.acquire()
    try:
        running.run(until_it_has_failed(), timeout=60)
    finally:
        loop.release()
    assert [record.levelno for record in caplog.records] == [level]
