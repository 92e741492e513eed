"""Where the simulation puts something of its own in place of what the shells use.

The shells run as they are, but for this table: sockets, threads and a few numbers that a
short run could not reach. It is in force while a run lasts.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from nucleus.client import connection, tracker
from nucleus.rpc.access import Access
from nucleus.services.master import engine, watchers
from nucleus.services.worker import link, service

BUFFER = 6  # events: a watcher falls behind within a short run
HISTORY_PAGE = 4  # events
CREDIT_CHECK = 0.4  # seconds: looking ten times a second takes most of the simulation's time


class NoThreads:
    """In place of threads: who would use them is called by the simulation instead."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """There are none."""

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Nothing to wait for."""

    def shutdown(self) -> None:
        """Nothing to end."""


class InOrder(dict[Any, None]):
    """In place of a set of objects, whose order would be that of their addresses."""

    def add(self, item: Any) -> None:
        """Take ``item`` in."""
        self[item] = None

    def discard(self, item: Any) -> None:
        """Let go of ``item``."""
        self.pop(item, None)


@contextmanager
def simulated(open_channel: Callable[[str], Any]) -> Iterator[None]:
    """Have the shells use the simulation."""

    def open_by_address(address: str, access: Access) -> Any:
        return open_channel(address)  # nobody asks for a token here

    no_threads = SimpleNamespace(**vars(threading) | {"Thread": NoThreads})
    places: tuple[tuple[Any, str, Any], ...] = (
        (engine, "DaemonThreads", NoThreads),  # see ``ProcessLoop.run_in_executor``
        (watchers, "MAX_BUFFER", BUFFER),
        (watchers, "PAGE", HISTORY_PAGE),
        (link, "open_channel", open_by_address),
        (connection, "open_channel", open_by_address),
        (tracker, "threading", no_threads),  # see ``ObservedTracker``
        (service, "CREDIT_CHECK", CREDIT_CHECK),
    )
    before = [getattr(module, name) for module, name, _ in places]
    try:
        for module, name, value in places:
            setattr(module, name, value)
        yield
    finally:
        for (module, name, _), value in zip(places, before, strict=True):
            setattr(module, name, value)
