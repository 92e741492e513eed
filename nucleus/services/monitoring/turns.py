"""Large pushes wait for one another, so that small ones never wait for them.

Reading a large push takes a second or so, and the few threads of the server would all be at it
if somebody sent many. Heartbeats are small: they always find a thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nucleus.core.errors import ResourceExhausted

LARGE = 64 * 2**10
"""Characters; about a thousand series. A worker pushes a thousand characters, a master 20,000."""

PLACES = 2
"""Large pushes at once, half of the server's threads: one that is read, and one that waits."""


class Turns:
    """Who may go on with a push of how many characters."""

    def __init__(self) -> None:
        self._places = threading.Semaphore(PLACES)
        self._reading = threading.Lock()

    @contextmanager
    def turn(self, size: int) -> Iterator[None]:
        """Hold a turn; raises ``ResourceExhausted`` when as many wait as may."""
        if size <= LARGE:
            yield
            return
        if not self._places.acquire(blocking=False):
            raise ResourceExhausted("other large pushes are being read; try again in a second")
        try:
            with self._reading:
                yield
        finally:
            self._places.release()
