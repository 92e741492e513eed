"""A student's ``Log`` on a file of this computer, with facts of a real cluster in it.

    real = RealLog(Log)
    real.append(*facts(history))
    real.tear(5)
    real

As with ``nucleus.grading.live``, the code runs here without limits, so a grader that executes a
notebook does not ask it.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nucleus.grading.lab import Thing
from nucleus.grading.live import GRADER
from nucleus.grading.witness import Witness
from nucleus.history.codec import encode
from nucleus.history.history import History


def facts(history: History) -> list[str]:
    """The facts that a master wrote down, in order, each as a line of JSON."""
    return [json.dumps(encode(committed.event)) for committed in history.events()]


class RealFile:
    """The operations of a ``disk`` on a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.touch()

    def read(self) -> bytes:
        """All that is in the file."""
        return self._path.read_bytes()

    def write(self, data: bytes) -> None:
        """Write at the end."""
        with self._path.open("ab") as file:
            file.write(data)

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.truncate(self._path, size)

    def sync(self) -> None:
        """Wait until the disk has it (``fsync``)."""
        with self._path.open("ab") as file:
            os.fsync(file.fileno())


class RealLog:
    """A log on a real file; it is removed with the log."""

    def __init__(self, thing: Thing) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nucleus-log-")
        self.path = Path(self._folder.name) / "events.log"
        self._thing, self._witness = thing, Witness("Log")
        self._log: Any = None
        self._appended = self._torn = 0
        self._graded = GRADER in os.environ
        self._start()

    def _start(self) -> None:
        self._ask(self._made)

    def _made(self) -> None:
        self._log = self._thing(RealFile(self.path))

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        if self._graded or self._witness.findings:
            return None
        return self._witness.ask(call, *arguments)

    def append(self, *entries: str) -> None:
        """Append each of them."""
        for entry in entries:
            self._ask(lambda text: self._log.append(text), entry)
            self._appended += 1

    def tear(self, size: int) -> None:
        """Lose the last bytes of the file, and start the log again."""
        if self.path.exists():
            os.truncate(self.path, max(self.path.stat().st_size - size, 0))
            self._torn += size
        self._start()

    @property
    def entries(self) -> list[str]:
        """What the log says it holds."""
        answer = self._ask(lambda: self._log.entries())
        return answer if isinstance(answer, list) else []

    def __repr__(self) -> str:
        """How much of it is left, or what went wrong."""
        if self._graded:
            return "Log was not asked: a grader runs this, and nobody watches."
        held = len(self.entries)
        if self._witness.findings:
            return "\n".join(f"{found.what} ({found.name})" for found in self._witness.findings)
        torn = f"; then {self._torn} bytes were torn off its end" if self._torn else ""
        return f"{self._appended} entries were appended{torn}. The log holds {held}."
