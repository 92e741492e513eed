"""The framing between a worker and its child processes: four bytes of length, then JSON.

To the child: ``{"setup": {"path": […], "modules": […]}}`` once, and then
``{"tasks": [{"lease", "job_type", "payload", "function"?}, …]}``, where ``function`` is
base64 of what ``functions.carry`` packed, sent only when the child does not know it yet.

From the child: ``{"ready": true}`` once, and then for each task, in order,
``{"lease", "result", "error", "traceback"}``.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")


def pack(message: Message) -> bytes:
    """Return ``message`` as one frame."""
    body = json.dumps(message).encode()
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Cuts a stream of bytes back into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield each message that ``data`` completes."""
        self._pending += data
        while (body := self._next()) is not None:
            yield json.loads(body)

    def _next(self) -> bytes | None:
        if len(self._pending) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._pending)
        end = _LENGTH.size + length
        if len(self._pending) < end:
            return None
        body = bytes(self._pending[_LENGTH.size : end])
        del self._pending[:end]
        return body
