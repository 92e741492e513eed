"""The clock of a real process."""

import time


class SystemClock:
    """Unix seconds that never go back, whatever happens to the wall clock meanwhile."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return time.monotonic() + self._ahead
