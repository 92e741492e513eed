"""Time has an interface.

The core never reads a clock: every command takes ``now``, in Unix seconds. Shells get it
from a :class:`Clock`; tests and the simulator use :class:`ManualClock`, which moves only
when it is told to and never goes back (after trio's ``MockClock``).
"""

from typing import Protocol


class Clock(Protocol):
    """Something that knows the time."""

    def now(self) -> float:
        """Unix seconds; never smaller than the call before."""


class ManualClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Go ``seconds`` (0 or more) forward and return the new time."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds} is not allowed; time only goes forward")
        self._now += seconds
        return self._now
