"""An asyncio event loop on simulated time, one for each simulated process.

The shells of the master, the worker and the client are written for asyncio. Under this loop
they run as they are, to the letter, while the world decides what time it is: a callback that
is due enters the world's agenda, and nothing ever waits for a real clock, thread or socket.

- frozen: callbacks pile up and run, in the order in which they became due, on waking up;
- dead: nothing runs any more, as after ``kill -9``.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Agenda(Protocol):
    """What the loop needs of the world."""

    now: float

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Do ``action`` at ``time``."""


class Due:
    """A call that is to be made, unless it is cancelled."""

    __slots__ = ("args", "callback", "off")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback, self.args = callback, args
        self.off = False

    def cancel(self) -> None:
        """Do not make it."""
        self.off = True

    def cancelled(self) -> bool:
        """Whether it will not be made."""
        return self.off


class ProcessLoop:
    """The event loop of one process, as far as the shells need one."""

    def __init__(self, agenda: Agenda, on_error: Callable[[BaseException], None]) -> None:
        self._agenda = agenda
        self._self: Any = self  # what asyncio takes for a loop
        self._on_error = on_error
        self._ready: deque[Due] = deque()
        self.awake_at = 0.0  # frozen before that
        self._woken = False  # a turn is on the agenda
        self.alive = True
        self.threads: Callable[[asyncio.Future[Any], Callable[[], Any]], None]

    # ---- what the world does to it ----------------------------------------------------

    def freeze(self, until: float) -> None:
        """Stand still until then."""
        self.awake_at = max(self.awake_at, until)

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._agenda.now < self.awake_at

    def die(self) -> None:
        """Run nothing any more."""
        self.alive = False
        self._ready.clear()

    def _turn(self) -> None:
        if self.alive and self.frozen:
            self._agenda.at(self.awake_at, self._turn)
            return
        events._set_running_loop(self._self)  # until it is another's turn; see ``on_loops``
        ready = self._ready
        while ready:  # one that dies in its turn has none left
            due = ready.popleft()
            if not due.off:
                self._call(due)
        self._woken = False

    def _call(self, due: Due) -> None:
        try:
            due.callback(*due.args)  # in no context of its own: nobody here uses them
        except Exception as error:
            self._on_error(error)

    # ---- what the shells ask of it ----------------------------------------------------

    def time(self) -> float:
        """Simulated seconds."""
        return self._agenda.now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> Due:
        """Call ``callback`` in this turn, or the next."""
        due = Due(callback, args)
        self._append(due)
        return due

    call_soon_threadsafe = call_soon  # there is one thread

    def _append(self, due: Due) -> None:
        if not self.alive:
            return
        self._ready.append(due)
        if not self._woken:
            self._woken = True
            self._agenda.at(self._agenda.now, self._turn)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Due:
        """Call ``callback`` in ``delay`` seconds."""
        return self.call_at(self._agenda.now + delay, callback, *args)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Due:
        """Call ``callback`` at ``when``."""
        due = Due(callback, args)
        self._agenda.at(when, partial(self._reach, due))
        return due

    def _reach(self, due: Due) -> None:
        if not due.off:
            self._append(due)

    def create_future(self) -> "asyncio.Future[Any]":
        """Make a future of this loop."""
        return asyncio.Future(loop=self._self)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: Any = None
    ) -> "asyncio.Task[T]":
        """Make a task of this loop. (A name would cost a counter, and nobody reads it.)"""
        return asyncio.Task(coro, loop=self._self, name="", context=context)

    def run_in_executor(
        self, executor: object, function: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Have ``function`` called in simulated time, by ``threads``."""
        answer: asyncio.Future[T] = self.create_future()
        self.threads(answer, partial(function, *args))
        return answer

    def get_debug(self) -> bool:
        """No."""
        return False

    def is_running(self) -> bool:
        """Whether it is alive."""
        return self.alive

    def is_closed(self) -> bool:
        """Whether it is dead."""
        return not self.alive

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell the world of an error that nobody caught; the dead tell nothing."""
        error = context.get("exception")
        if self.alive and isinstance(error, BaseException):
            self._on_error(error)


@contextmanager
def on_loops() -> Iterator[None]:
    """Let loops take turns in this thread; a loop that was running in it goes on afterwards."""
    before = events._get_running_loop()
    try:
        yield
    finally:
        events._set_running_loop(before)
