"""How one part runs as a process: from its command line to its exit code.

- ``run_service(make, …)`` starts a service, says on stdout that it is ready, waits for a reason
  to end, stops it, and returns the exit code.
- ``Ending`` gathers the reasons: a signal, a parent that is gone, the service itself.
- ``Exit`` and ``exit_code`` say what exit codes mean, for every command of Nucleus.

Only the ready line goes to stdout; the log goes to stderr.
"""

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, IntEnum, auto
from types import FrameType
from typing import Protocol, TypeVar

import click

from nucleus.core.errors import (
    InvalidArgument,
    NucleusError,
    PortTaken,
    StoreRefused,
    Unauthenticated,
    Unavailable,
)

logger = logging.getLogger("nucleus.main")

LOOK = 0.2  # seconds between two looks at whether there was a signal
DESCRIPTORS = 16_384  # a shell's 1,024 are fewer than the connections that we allow
ORPHAN_GRACE = 5.0  # seconds that a part without a parent has to stop cleanly


class Exit(IntEnum):
    """Exit codes of all commands."""

    DONE = 0
    FAILED = 1  # a job failed, or something else went wrong
    REFUSED = 2  # bad usage or input, port taken, store or token refused: click's code for that
    UNREACHABLE = 3  # no answer from the master
    INTERRUPTED = 130  # by Ctrl-C: 128 and the number of SIGINT, as shells have it


def exit_code(error: NucleusError) -> Exit:
    """Return the exit code for an error that ends a command."""
    if isinstance(error, InvalidArgument | PortTaken | StoreRefused | Unauthenticated):
        return Exit.REFUSED
    if isinstance(error, Unavailable):
        return Exit.UNREACHABLE
    return Exit.FAILED


def complain(error: NucleusError) -> Exit:
    """Write the error to stderr, in one line; return the exit code for it."""
    click.echo(f"Error: {' '.join(str(error).split())}", err=True)
    return exit_code(error)


class Service(Protocol):
    """The shape of every part."""

    def start(self) -> object:
        """Return when serving. Raises ``NucleusError``."""

    def stop(self) -> object:
        """Stop at once."""

    def ready_line(self) -> str:
        """Say what is served, and where."""


S = TypeVar("S", bound=Service)


class Cause(Enum):
    """Why a part ends."""

    TERMINATED = auto()  # SIGTERM, or the terminal is gone
    INTERRUPTED = auto()  # Ctrl-C
    ORPHANED = auto()  # whoever started it is gone
    GAVE_UP = auto()  # the service itself cannot go on


_EXIT_OF = {
    Cause.TERMINATED: Exit.DONE,
    Cause.INTERRUPTED: Exit.INTERRUPTED,
    Cause.ORPHANED: Exit.DONE,
    Cause.GAVE_UP: Exit.FAILED,
}
_CAUSE_OF = {
    signal.SIGINT: Cause.INTERRUPTED,
    signal.SIGTERM: Cause.TERMINATED,
    signal.SIGHUP: Cause.TERMINATED,
}


class Ending:
    """Waits for the first reason to end. A Ctrl-C after it does not wait for a clean stop."""

    def __init__(self) -> None:
        # The one queue whose put may interrupt its own get, as a signal's handler does.
        self._causes: queue.SimpleQueue[tuple[Cause, str]] = queue.SimpleQueue()
        self._asked = False

    def wait(self) -> tuple[Cause, str]:
        """Return why to end, and what there is to say about it."""
        while True:
            # A signal that the system gives to another thread does not wake this one, and its
            # handler runs only here: so look now and then.
            with suppress(queue.Empty):
                cause, reason = self._causes.get(timeout=LOOK)
                self._asked = True
                return cause, reason

    def give_up(self, reason: str) -> None:
        """End, because the service cannot go on; may be called on any thread."""
        self._causes.put((Cause.GAVE_UP, reason))

    @contextmanager
    def listening(self, lifeline: int | None = None) -> Iterator[None]:
        """Listen to signals, and to the end of ``lifeline``, a descriptor."""
        before = {number: signal.getsignal(number) for number in _CAUSE_OF}
        for number in _CAUSE_OF:
            # nohup lets programs outlive their terminal by having them ignore SIGHUP.
            if number is not signal.SIGHUP or before[number] is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        if lifeline is not None:
            watch = threading.Thread(target=self._watch, args=(lifeline,), daemon=True)
            watch.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        cause = _CAUSE_OF[signal.Signals(number)]
        if self._asked and cause is Cause.INTERRUPTED:
            os._exit(Exit.INTERRUPTED)
        self._asked = True
        self._causes.put((cause, signal.Signals(number).name))

    def _watch(self, lifeline: int) -> None:
        with suppress(OSError):
            while os.read(lifeline, 1024):
                pass
        self._causes.put((Cause.ORPHANED, "whoever started it is gone"))
        time.sleep(ORPHAN_GRACE)
        os._exit(Exit.FAILED)


def run_service(
    make: Callable[[Ending], S],
    *,
    part: str,
    log_level: str = "info",
    lifeline: int | None = None,
    stop: Callable[[S, Cause], object] = lambda service, cause: service.stop(),
) -> Exit:
    """Run the service that ``make`` returns until there is a reason to end; return the exit code.

    ``make`` may hand ``Ending.give_up`` to the service. ``stop`` is for a service that stops in
    different ways for different reasons.
    """
    start_logging(part, log_level)
    raise_descriptor_limit()
    ending = Ending()
    with ending.listening(lifeline):
        try:
            service = make(ending)
            service.start()
        except NucleusError as error:
            return complain(error)
        click.echo(service.ready_line())
        cause, reason = ending.wait()
        if cause is Cause.GAVE_UP:
            complain(NucleusError(f"{part} stops: {reason}"))
        else:
            logger.info("stopping: %s", reason)
        stop(service, cause)
        return _EXIT_OF[cause]


def raise_descriptor_limit() -> None:
    """Let this process have ``DESCRIPTORS`` files and connections, as far as it may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def start_logging(part: str, level: str) -> None:
    """Log to stderr, each line with its time, level and part; of libraries, warnings only."""
    logging.basicConfig(
        level=logging.WARNING, format=f"%(asctime)s %(levelname)-7s {part}: %(message)s"
    )
    logging.getLogger("nucleus").setLevel(level.upper())
