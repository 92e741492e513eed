"""Credit: how many jobs a worker is willing to hold (promise 7).

An absolute window, numbered, so that repeats and reordering do no harm. It follows the
work: the slots, plus as many jobs as were finished in the last :data:`MEMORY` seconds, but
no more than the slots can run in :data:`AHEAD` seconds. So slow jobs are never hoarded, and
fast ones never starve, however long a message takes.
"""

from collections import deque
from dataclasses import dataclass

from nucleus.core.worker import MAX_WINDOW, Credit

MEMORY = 0.25  # seconds: longer than a message takes under load, or credit would dwindle
AHEAD = 0.05  # seconds of work to hold beyond what runs


@dataclass(slots=True)
class _Burst:
    """Jobs that were finished at one moment."""

    at: float
    jobs: int = 0
    seconds: float = 0.0  # that they ran, together


class CreditMeter:
    """Measures a worker's credit, and remembers what the master was told."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.blocked = 0  # slots taken by runs that ended, by timeout, but cannot be stopped
        self.closed = False  # no more work is wanted
        self._bursts: deque[_Burst] = deque()
        self._jobs = 0  # in all bursts
        self._seconds = 0.0  # that these jobs ran, together
        self._seq = 0
        self._stated = 0  # the window last told

    def finished(self, now: float, run_seconds: float) -> None:
        """A job was finished; those of one moment are counted as one burst."""
        self._jobs += 1
        self._seconds += run_seconds
        if not self._bursts or self._bursts[-1].at != now:
            self._bursts.append(_Burst(now))
            self._forget(now)
        burst = self._bursts[-1]
        burst.jobs += 1
        burst.seconds += run_seconds

    def window(self, now: float) -> int:
        """The credit at this moment, in jobs."""
        if self.closed:
            return 0
        self._forget(now)
        slots = max(0, self.slots - self.blocked)
        earned = self._jobs
        if self._seconds > AHEAD * slots:
            earned = int(earned * AHEAD * slots / self._seconds)
        return min(slots + earned, MAX_WINDOW)

    def _forget(self, now: float) -> None:
        while self._bursts and self._bursts[0].at < now - MEMORY:
            burst = self._bursts.popleft()
            self._jobs -= burst.jobs
            self._seconds -= burst.seconds
        if not self._bursts:
            self._seconds = 0.0  # What rounding left.

    def state(self, now: float) -> Credit:
        """A statement for the master."""
        self._seq += 1
        self._stated = self.window(now)
        return Credit(self._stated, self._seq)

    def misstated(self, now: float) -> bool:
        """Whether the master believes in more credit than there is, or in less than the slots."""
        free = 0 if self.closed else self.slots - self.blocked
        return not free <= self._stated <= self.window(now)
