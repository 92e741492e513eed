"""Lets Ctrl-C, or a notebook's stop button, wait until something is done.

``KeyboardInterrupt`` is raised between any two steps of the main thread. A part that is half
started, or half stopped, belongs to nobody: no later ``stop`` would find it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until the end of the ``with``, which must not be far away.

    Only the main thread is ever interrupted, so elsewhere this does nothing.
    """
    earlier = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(earlier):
        yield
        return
    held_back: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *interrupt: held_back.append(interrupt))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
        if held_back:
            earlier(*held_back[0])
