"""Those who watch events: live ones from a bounded buffer, older ones from the history.

An event is matched against the watchers once, when it is committed. A watcher that does
not keep up loses its buffer, not its place: it reads the history from where it stands.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

from nucleus.core.events import KINDS, Event, WorkerHeartbeat, texts
from nucleus.rpc.chunks import size_of

MAX_WATCHERS = 2_000  # of a thousand clients, one each, and as many again
MAX_OF_PEER = 64  # on one connection; a client has one for its handles, the dashboard some more
MAX_BUFFER = 10_000  # events a watcher may lag behind before it is sent to the history
MAX_BYTES = 16_000_000  # of payloads, results and output in them
PAGE = 1_000  # events read from the history at a time

ReadHistory = Callable[[int, int], Awaitable[list[Event]]]


class Watcher:
    """One ``WatchEvents`` call."""

    def __init__(
        self,
        position: int,
        *,
        client: str,
        kinds: frozenset[str],
        heartbeats: bool,
        peer: str = "",
    ) -> None:
        self.peer = peer  # the connection it is on
        self.position = position  # the next seq to deliver
        self.client = client
        wanted = {cls for name, cls in KINDS.items() if not kinds or name in kinds}
        wanted.discard(WorkerHeartbeat)  # those are asked for, and are nobody's job
        if client:
            wanted &= _OF_CLIENTS
        elif heartbeats:
            wanted.add(WorkerHeartbeat)
        self._wanted = frozenset(wanted)
        self._buffer: list[Event] = []
        self._bytes = 0  # of what is in the buffer
        self._buffer_from = 0  # the seq from which the buffer is complete
        self._end = 0  # the seq after the last published one
        self._closed = False
        self._news = asyncio.Event()

    def close(self) -> None:
        """End the watch: the master stops."""
        self._closed = True
        self._news.set()

    def matching(self, events: Iterable[Event]) -> list[Any]:
        """Those that the filter lets pass."""
        passed: list[Any] = [event for event in events if type(event) in self._wanted]
        return [e for e in passed if e.client == self.client] if self.client else passed

    def offer(self, events: list[Event], end: int) -> None:
        """Take what was just committed; ``end`` is the seq after it."""
        self._end = end
        self._buffer += events
        self._bytes += sum(map(text_size, events))
        if len(self._buffer) > MAX_BUFFER or self._bytes > MAX_BYTES:
            self._buffer, self._bytes = [], 0
            self._buffer_from = end
        if events:
            self._news.set()

    def start(self, end: int) -> None:
        """Events from ``end`` on will be offered; those before are in the history."""
        self._buffer, self._bytes = [], 0
        self._buffer_from = self._end = end
        self._news.set()

    async def batches(self, read_history: ReadHistory) -> AsyncIterator[list[Event]]:
        """Yield events in order, without a gap; ``position`` moves along."""
        while not self._closed:
            while self.position < self._buffer_from:
                found = await self._catch_up(read_history)
                if found:
                    yield found
            if not self._buffer:  # what came while it caught up needs no other news
                await self._news.wait()
            self._news.clear()
            if self.position < self._buffer_from:
                continue
            events, self._buffer, self._bytes = self._buffer, [], 0
            self._buffer_from = self.position = self._end
            if events:
                yield events

    async def _catch_up(self, read_history: ReadHistory) -> list[Event]:
        target = self._buffer_from
        events = await read_history(self.position, PAGE)
        # Not beyond the target: what follows is in the buffer, unless that is lost meanwhile.
        self.position = min(events[-1].seq + 1, target) if events else target
        return self.matching(event for event in events if event.seq < target)


class Watchers:
    """All watchers."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()

    def crowd(self, peer: str) -> str:
        """Say why there is no room for one more watcher on this connection, or ""."""
        if len(self._all) >= MAX_WATCHERS:
            return f"{MAX_WATCHERS} watch this master already"
        if sum(watcher.peer == peer for watcher in self._all) >= MAX_OF_PEER:
            return f"this connection has {MAX_OF_PEER} watches already"
        return ""

    def add(self, watcher: Watcher, end: int) -> None:
        """Offer events to ``watcher`` from seq ``end`` on."""
        watcher.start(end)
        self._all.add(watcher)

    def remove(self, watcher: Watcher) -> None:
        """``watcher`` is gone."""
        self._all.discard(watcher)

    def restart(self, end: int) -> None:
        """The ledger was loaded again: events below ``end`` may not have been offered."""
        for watcher in self._all:
            watcher.start(end)

    def close_all(self) -> None:
        """End all watches; the clients come back when a master serves."""
        for watcher in self._all:
            watcher.close()

    def publish(self, events: Sequence[Event], end: int) -> None:
        """Offer what was committed to those who want it."""
        for watcher in self._all:
            watcher.offer(watcher.matching(events), end)


_OF_CLIENTS = {cls for cls in KINDS.values() if "client" in cls.__dataclass_fields__}


def text_size(event: Event) -> int:
    """The bytes of text in an event of which somebody else chose the length."""
    return size_of("".join(texts(event)))
