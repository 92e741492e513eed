"""The clock of a real process."""

import time

# Steady, whatever happens to the wall clock; where the system has one that also goes on while
# a laptop sleeps, that one, or its times would be hours behind in the morning.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """Unix seconds that never go back."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.clock_gettime(_STEADY)

    def now(self) -> float:
        """Unix seconds."""
        return time.clock_gettime(_STEADY) + self._ahead
