"""What a worker and its child processes say to each other: JSON values, one to a line.

To the child:

* ``{"path": […], "modules": […]}`` once: where it looks for modules, and which it imports;
* ``{"job_type": …, "function": …}`` when it does not know a function yet, as base64 of what
  ``functions.carry`` packed;
* ``{"round": …, "tasks": [[lease, job_type, payload], …]}``: what to run next, in this order;
* ``{"taken": true}``: what the last job printed has been taken out of the pipe.

From the child: ``{"ready": true}`` once, and then for each task that it ran, in order,
``[lease, seconds, result, error, traceback, printed]``, where ``printed`` says that the child
begins nothing before it hears ``taken``.

**Permits.** A child begins a task only with a permit: one byte, which it takes out of a
socket that the worker can take it out of as well. Whoever takes it has decided. So tasks can
be sent ahead, and yet the worker can have back each of them that has not begun, and knows
for certain which those are. It always takes back all of them; what it sends afterwards
belongs to the next *round*. The byte is the number of the round, and a child whose tasks are
of another round throws them away.
"""

import fcntl
import json
import sys
import termios
from collections.abc import Sequence
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

ROUNDS = 256  # then the numbers begin again: one byte has no more
NONSENSE = None  # stands for a line that is no JSON; it is no message of either side


def pack(value: Message | Sequence[Any]) -> bytes:
    """Return ``value`` as one line."""
    return json.dumps(value).encode() + b"\n"


class Unpacker:
    """Cuts a stream of bytes back into values."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # the beginning of a line

    def feed(self, data: bytes) -> list[Any]:
        """Return the values of all lines that ``data`` completes.

        They are parsed in one go, because to call the parser costs more than a short line. A
        line that is no JSON, as a job may write, comes out as :data:`NONSENSE`.
        """
        complete, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._pending.append(data)
            return []
        text = b"".join((*self._pending, complete))
        self._pending = [rest]
        try:
            values: list[Any] = json.loads(b"[" + text.replace(b"\n", b",") + b"]")
        except ValueError:
            return [_value(line) for line in text.split(b"\n")]
        return values


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return NONSENSE


def waiting_bytes(pipe: int) -> int:
    """Return how many bytes wait at the reading end of ``pipe``."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
