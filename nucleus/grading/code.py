"""How a student's code travels to the process that runs it, and is made anew there.

What was typed in a notebook is carried whole by cloudpickle, with the helpers, imports and
constants of other cells that it uses; its own source would not be enough. Code objects keep
their file and lines, so that an error can be shown where it was typed. A file travels as its
source. Either way :meth:`Code.make` gives a fresh copy: what one schedule left behind in a
global variable is gone in the next.
"""

import base64
import inspect
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nucleus.grading.errors import CannotCheck
from nucleus.grading.lab import Thing


@dataclass(frozen=True, slots=True)
class Code:
    """A student's code."""

    entry: str  # the name of the thing
    data: bytes  # a pickle, or the source of ``file``
    file: str = ""  # "": a pickle

    @classmethod
    def of(cls, thing: Thing, entry: str) -> "Code":
        """Take a function or a class, or the path of a Python file that defines ``entry``.

        Raises ``CannotCheck`` for what cannot be carried to another process.
        """
        if isinstance(thing, str | Path):
            return cls.of_file(Path(thing), entry)
        module = sys.modules.get(getattr(thing, "__module__", ""))
        if module is not None and module.__name__ != "__main__" and _path(module):
            return cls(entry, inspect.getsource(module).encode(), str(_path(module)))
        import cloudpickle

        try:
            return cls(entry, cloudpickle.dumps(thing))
        except Exception as error:  # whatever pickling something of theirs raises
            raise CannotCheck(
                f"{entry} cannot be carried to the process that checks it: {error}. It refers to"
                " something of the notebook that is alive, such as a cluster or an open file."
            ) from None

    @classmethod
    def of_file(cls, path: Path, entry: str) -> "Code":
        """Take a Python file that defines ``entry``; raises ``CannotCheck``."""
        try:
            return cls(entry, path.read_bytes(), str(path))
        except OSError as error:
            raise CannotCheck(f"thing: {path} cannot be read: {error.strerror}") from None

    def make(self) -> Thing:
        """Make the thing; raises whatever the code raises.

        A file without it has not been written yet: ``NotImplementedError``.
        """
        if not self.file:
            return pickle.loads(self.data)
        module = ModuleType("solution")
        exec(compile(self.data, self.file, "exec", dont_inherit=True), module.__dict__)
        if self.entry not in module.__dict__:
            raise NotImplementedError(self.entry)
        return module.__dict__[self.entry]

    # ---- as JSON ----------------------------------------------------------------------

    def as_json(self) -> dict[str, str]:
        """A JSON object."""
        data = base64.b64encode(self.data).decode()
        return {"entry": self.entry, "data": data, "file": self.file}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Code":
        """What :meth:`as_json` made an object of."""
        return cls(value["entry"], base64.b64decode(value["data"]), value["file"])


def _path(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if file and file.endswith(".py") else None
