"""A disk whose power can go: what lab 9 keeps its log on.

What is written waits in the disk's cache until it is synced. When the power goes, some of what
waits is kept: none of it, all of it, or a part. The last write can be torn in the middle, and
where a file had grown already, there can be zeros in the place of what was written.
"""

import random
from collections.abc import Callable
from enum import Enum

WRITE, TRUNCATE, SYNC = 0.001, 0.001, 0.005  # seconds that an operation takes, simulated


class PowerCut(BaseException):
    """The power is gone: nothing that comes after this happens."""


class Kept(Enum):
    """What of the waiting operations survives."""

    NOTHING = "nothing"
    ALL = "all"
    TORN = "torn"  # some of the bytes of the last write that did
    ZEROS = "zeros"  # the same, and zeros up to its length


class Disk:
    """A file that grows at its end."""

    def __init__(
        self,
        content: bytes = b"",
        cut: int | None = None,
        tell: Callable[[str, float], object] = lambda what, seconds: None,
    ) -> None:
        self._content = self._safe = content  # as it is read; as it is on the disk for certain
        self._waiting: list[bytes | int] = []  # writes, and sizes to cut to, in order
        self._tell = tell
        self.cut = cut  # the operation in which the power goes
        self.operations = 0
        self.dead = False

    def __repr__(self) -> str:
        return "<Disk>"

    def read(self) -> bytes:
        """All that is in the file."""
        self._alive()
        self._tell(f"read: {len(self._content)} bytes", WRITE)
        return self._content

    def write(self, data: bytes) -> None:
        """Write at the end; it is not safe before the next ``sync`` has returned."""
        if type(data) is not bytes:
            raise TypeError(f"a disk takes bytes, not {type(data).__name__}")
        self._alive()
        self._waiting.append(data)
        self._content += data
        self._operate(f"write: {len(data)} bytes", WRITE)

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes; not safe before the next ``sync`` either."""
        if type(size) is not int or not 0 <= size <= len(self._content):
            raise ValueError(f"a file of {len(self._content)} bytes cannot be cut to {size!r}")
        self._alive()
        self._waiting.append(size)
        self._content = self._content[:size]
        self._operate(f"cut to {size} bytes", TRUNCATE)

    def sync(self) -> None:
        """Wait until all that was written is safe."""
        self._alive()
        self._operate("sync", SYNC)
        self._safe, self._waiting = self._content, []

    def _alive(self) -> None:
        if self.dead:
            raise PowerCut

    def _operate(self, what: str, seconds: float) -> None:
        self._tell(what, seconds)
        self.dead = self.operations == self.cut
        self.operations += 1
        if self.dead:
            raise PowerCut

    def after(self, kept: Kept, luck: random.Random) -> bytes:
        """What the file holds when the power is back."""
        if kept is Kept.ALL:
            return self._content
        content = self._safe
        if kept is Kept.NOTHING or not self._waiting:
            return content
        last = luck.randrange(len(self._waiting))
        for operation in self._waiting[:last]:
            content = _done(content, operation)
        torn = self._waiting[last]
        if isinstance(torn, int):
            return content
        size = luck.choice((0, luck.randint(0, len(torn)), luck.randint(0, len(torn))))
        zeros = len(torn) - size if kept is Kept.ZEROS else 0
        return content + torn[:size] + bytes(zeros)


def _done(content: bytes, operation: bytes | int) -> bytes:
    return content[:operation] if isinstance(operation, int) else content + operation
