"""Cuts off HTTP clients that keep a connection, and a thread, without getting on.

- A request has to be complete within ``REQUEST_TIMEOUT``: a byte now and then is not enough.
- A connection that says and hears nothing for ``IDLE_TIMEOUT`` is closed, also while a client
  leaves an answer unread.
- When all places are taken, those that have been silent for longest make room, but for those
  that are being answered.
"""

import time
from collections.abc import Collection
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

REQUEST_TIMEOUT = 20.0
"""Seconds from the first byte of a request to its last; nginx waits 60 for each half."""

IDLE_TIMEOUT = 60
"""Seconds; longer than the pauses of whoever asks regularly, such as Prometheus."""

LOOK = 1
"""Seconds between two looks; whole ones, as waitress has it."""


class DatedRequest(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """A request on its way in, that knows when it began."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.began = time.time()


def cut_off(channels: Collection[HTTPChannel], now: float, *, full: bool) -> None:
    """Close the connections that have had their time; ``full`` when somebody waits for a place."""
    for channel in channels:
        if _is_late(channel, now) or _is_silent(channel, now):
            channel.will_close = True
    if full:
        waiting = [channel for channel in channels if not channel.requests]
        waiting.sort(key=lambda channel: channel.last_activity)
        for channel in waiting[: (len(waiting) + 1) // 2]:
            channel.will_close = True


def _is_late(channel: HTTPChannel, now: float) -> bool:
    request = channel.request
    return request is not None and now - request.began > REQUEST_TIMEOUT


def _is_silent(channel: HTTPChannel, now: float) -> bool:
    # While a request is being answered, only the client can be waited for: the answer is unread.
    waits = not channel.requests or channel.total_outbufs_len > 0
    return bool(waits and now - channel.last_activity > IDLE_TIMEOUT)
