"""Doing something soon, once, however often it is asked for."""

import threading
from collections.abc import Callable


class Later:
    """Calls ``function`` on a thread, ``delay`` seconds after it was first asked to.

    A thousand jobs that end in one second then cost a few updates, not a thousand. There is no
    thread while nobody asks.
    """

    def __init__(self, delay: float, function: Callable[[], None]) -> None:
        self._delay = delay
        self._function = function
        self._lock = threading.Lock()
        self._asked = False

    def ask(self) -> None:
        """Have it called; returns at once."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
        timer = threading.Timer(self._delay, self._call)
        timer.daemon = True
        timer.start()

    def _call(self) -> None:
        with self._lock:
            self._asked = False  # what happens from here on is worth another call
        self._function()
