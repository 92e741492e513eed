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


class DatedChannel(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A connection that knows since when its client leaves something unread."""

    parser_class = DatedRequest
    unread_since = 0.0  # 0 while there is nothing to read


def cut_off(channels: Collection[DatedChannel], now: float, *, full: bool) -> None:
    """Close the connections that have had their time; ``full`` when somebody waits for a place."""
    for channel in channels:
        if _is_late(channel, now) or _is_silent(channel, now):
            # Now: what waits for the client to read would only be closed once it does.
            channel.handle_close()
    if full:
        waiting = [channel for channel in channels if not channel.requests]
        waiting.sort(key=lambda channel: channel.last_activity)
        for channel in waiting[: (len(waiting) + 1) // 2]:
            channel.handle_close()


def _is_late(channel: DatedChannel, now: float) -> bool:
    request = channel.request
    return request is not None and now - request.began > REQUEST_TIMEOUT


def _is_silent(channel: DatedChannel, now: float) -> bool:
    unread = channel.total_outbufs_len > 0
    channel.unread_since = (channel.unread_since or now) if unread else 0.0
    if channel.requests and not unread:
        return False  # it is being answered: the client waits for us
    return bool(now - max(channel.last_activity, channel.unread_since) > IDLE_TIMEOUT)
