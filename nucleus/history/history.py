"""A history: a recorded run, and the file that keeps it.

The file is text, one JSON object to a line, so that ``head``, ``grep`` and a student can
read it; with a name that ends in ``.gz`` it is compressed. The first line is the header
(version, source, seed, settings …), the last one the tables as they were at the end, when
somebody read them; between them stand the observations in order of time.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, TextIO

from nucleus.core.errors import NucleusError
from nucleus.core.limits import Limits
from nucleus.core.snapshot import Totals
from nucleus.history.codec import BadField, decode, encode
from nucleus.history.observations import KINDS, Committed, Observation

FORMAT = "nucleus-history"
VERSION = 1

_at = attrgetter("at")


class BadHistory(NucleusError):
    """A file is not a history, or a damaged one; the message names the line and the field."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the store said at the end."""

    rows: tuple[dict[str, Any], ...] = ()  # by names of ``Job``'s fields, as many as were read
    totals: Totals | None = None


@dataclass(slots=True)
class History:
    """A run, as far as somebody observed it."""

    observations: list[Observation] = field(default_factory=list)  # in order of time
    source: str = "simulation"  # or "cluster", "lab": who recorded it
    seed: int | None = None  # of the run; None when it cannot be repeated
    settings: dict[str, Any] = field(default_factory=dict)  # JSON values, by name
    mutant: str = ""  # the known-wrong code that ran, "" for the real one
    kept: tuple[int, ...] | None = None  # which parts of the seed's plan; None for all of it
    drained: bool = False  # every job had the time to end, whether it did or not
    tables: Tables | None = None

    @property
    def worker_timeout(self) -> float:
        """Silence after which a worker is lost, in seconds."""
        return float(self.settings.get("worker_timeout", Limits().worker_timeout))

    @property
    def start(self) -> float:
        """When the first thing was seen, in Unix seconds."""
        return self.observations[0].at if self.observations else 0.0

    def add(self, observation: Observation) -> None:
        """Write down what was seen now, after everything else."""
        self.observations.append(observation)

    def sort(self) -> None:
        """Put the observations in order of time; those of one moment stay as they are."""
        self.observations.sort(key=_at)

    def events(self) -> Iterator[Committed]:
        """What was committed, in order."""
        return (seen for seen in self.observations if type(seen) is Committed)

    # ---- files ------------------------------------------------------------------------

    def save(self, path: Path | str) -> None:
        """Write the file ``path``, over an older one."""
        with _open(Path(path), "wt") as file:
            for line in self._lines():
                file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        yield {
            "format": FORMAT,
            "version": VERSION,
            "source": self.source,
            "seed": self.seed,
            "settings": self.settings,
            "mutant": self.mutant,
            "kept": self.kept,
            "drained": self.drained,
        }
        yield from map(encode, self.observations)
        if self.tables is not None:
            totals = encode(self.tables.totals) if self.tables.totals is not None else None
            yield {"is": "Tables", "rows": self.tables.rows, "totals": totals}

    @classmethod
    def load(cls, path: Path | str) -> "History":
        """Read a file; raise ``BadHistory`` when it is not one, ``OSError`` without a file."""
        try:
            with _open(Path(path), "rt") as file:
                return _read(_objects(file))
        except (BadField, EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
            raise BadHistory(f"{path}: {error}") from error


def _open(path: Path, mode: Literal["rt", "wt"]) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, mode, encoding="utf-8")
    return path.open(mode, encoding="utf-8")


def _objects(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise BadField(f"line {number}: not JSON: {error}") from error
        if not isinstance(value, dict):
            raise BadField(f"line {number}: {type(value).__name__} instead of an object")
        yield number, value


def _read(lines: Iterator[tuple[int, dict[str, Any]]]) -> History:
    _, header = next(lines, (1, {}))
    history = _read_header(header)
    for number, line in lines:
        try:
            if line.get("is") == "Tables":
                history.tables = _read_tables(line)
            else:
                history.observations.append(decode(line, KINDS))
        except BadField as error:
            raise BadField(f"line {number}: {error}") from error
    return history


def _read_header(header: dict[str, Any]) -> History:
    if header.get("format") != FORMAT:
        raise BadField(f"line 1: format: {FORMAT!r} is missing; this is no history")
    if header.get("version") != VERSION:
        raise BadField(f"line 1: version: {header.get('version')!r} instead of {VERSION}")
    names = ("source", "seed", "settings", "mutant", "kept", "drained")
    values = {name: header[name] for name in names if name in header}
    try:
        history: History = decode({"is": "History", **values}, {"History": History})
    except BadField as error:
        raise BadField(f"line 1: {error}") from error
    return history


def _read_tables(line: dict[str, Any]) -> Tables:
    rows, totals = line.get("rows"), line.get("totals")
    if not (isinstance(rows, list) and all(isinstance(r, dict) and "id" in r for r in rows)):
        raise BadField("rows: a list of objects, each with an id")
    return Tables(tuple(rows), decode(totals, {"Totals": Totals}) if totals else None)
