"""Waiting longer after each failure, and saying so only once."""

import logging

FIRST = 0.1  # seconds
LONGEST = 2.0  # seconds; a server that comes back is found again within this


class Backoff:
    """How long to wait before the next try. Logs one line per outage and one at its end."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._failures = 0

    def failed(self, error: object) -> float:
        """Note a failure; return the seconds to wait."""
        self._failures += 1
        if self._failures == 1:
            self._logger.warning("%s: %s; trying again", self._what, error)
        return min(LONGEST, FIRST * 2.0 ** min(self._failures - 1, 16))

    def succeeded(self) -> None:
        """Note that it works."""
        if self._failures:
            self._logger.info("%s: works again", self._what)
        self._failures = 0
