"""Credit: how many jobs a worker is willing to hold (promise 7).

An absolute window, numbered, so that repeats and reordering do no harm. It follows the
work: the slots, plus what was finished in the last :data:`MEMORY` seconds. So slow jobs are
never hoarded, and fast ones never starve.
"""

from collections import deque

from nucleus.core.worker import MAX_WINDOW, Credit

MEMORY = 0.05  # seconds: finishing faster than this earns credit to prefetch


class CreditMeter:
    """Measures a worker's credit, and remembers what the master was told."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.blocked = 0  # slots taken by runs that ended, by timeout, but cannot be stopped
        self.closed = False  # no more work is wanted
        self._recent: deque[float] = deque(maxlen=MAX_WINDOW)  # when jobs finished
        self._seq = 0
        self._stated = 0  # the window last told

    def finished(self, now: float) -> None:
        """A job was finished."""
        self._recent.append(now)

    def window(self, now: float) -> int:
        """The credit at this moment, in jobs."""
        if self.closed:
            return 0
        while self._recent and self._recent[0] < now - MEMORY:
            self._recent.popleft()
        return min(max(0, self.slots - self.blocked) + len(self._recent), MAX_WINDOW)

    def state(self, now: float) -> Credit:
        """A statement for the master."""
        self._seq += 1
        self._stated = self.window(now)
        return Credit(self._stated, self._seq)

    def overstated(self, now: float) -> bool:
        """Whether the master believes in more credit than there is."""
        return self._stated > self.window(now)
