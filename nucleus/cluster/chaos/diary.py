"""A file that outlives who writes it: one observation to a line, written before it matters."""

import json
import threading
from io import FileIO
from pathlib import Path

from nucleus.history.codec import decode, encode
from nucleus.history.observations import KINDS, Observation


class Diary:
    """Writes observations down, each at once: after a ``kill -9`` all of them are there."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = FileIO(path, "ab")  # without a buffer, which would die with its writer
        if self._file.tell():
            self._file.write(b"\n")  # an earlier life may have died within a line

    def note(self, observation: Observation) -> None:
        """Write one down; on any thread."""
        line = json.dumps(encode(observation)).encode() + b"\n"
        with self._lock:
            self._file.write(line)

    def close(self) -> None:
        """Write no more."""
        self._file.close()


class Reader:
    """Reads a diary, also while it is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0

    def news(self) -> list[Observation]:
        """What was written since the last call; none without a file."""
        if not self._path.exists():
            return []
        with open(self._path, "rb") as file:
            file.seek(self._place)
            complete, newline, _ = file.read().rpartition(b"\n")
        self._place += len(complete) + len(newline)
        return [seen for line in complete.splitlines() if (seen := _observation(line))]


def _observation(line: bytes) -> Observation | None:
    """What a line says; nothing if it was cut off by the death of its writer."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    observation: Observation = decode(value, KINDS)
    return observation
