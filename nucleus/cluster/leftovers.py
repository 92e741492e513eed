"""What an interrupted run leaves behind, and how to end it.

A cluster of child processes is recorded in a file while it runs, one file for each cluster of
each owner (the process that started it). A run whose owner was killed is found there.

- ``record(name, pids)`` and ``forget(name)``: for the owner.
- ``find()``: the runs of this user that are on record.
- ``end(runs, …)``: end their processes.
- ``find_process(pid)``: a process that has not ended.

A process is named by its id *and* the time of its creation, so that a process which was given
the id of a dead one is never taken for it. The folder belongs to this user alone.
"""

import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from nucleus.core.errors import NucleusError

TERM_TIMEOUT = 3.0  # seconds that processes have to stop cleanly
KILL_TIMEOUT = 3.0  # seconds until what was killed is gone
SAME_TIME = 1.0  # seconds; a creation time is read from a clock that may be set


@dataclass(frozen=True, slots=True)
class Process:
    """One process, for ever: its id may be given to another, id and time together never."""

    pid: int
    created: float  # Unix seconds

    def find(self) -> psutil.Process | None:
        """Return the process, or ``None`` when it has ended."""
        process = find_process(self.pid)
        if process and abs(process.create_time() - self.created) < SAME_TIME:
            return process
        return None


@dataclass(frozen=True, slots=True)
class Run:
    """A cluster on record."""

    name: str
    owner: Process
    parts: dict[str, Process]  # by the part's name
    file: Path

    @property
    def interrupted(self) -> bool:
        """Whether its owner is gone, so that nobody will stop it."""
        return self.owner.find() is None

    def running(self) -> dict[str, psutil.Process]:
        """Return the parts that still run."""
        found = {name: part.find() for name, part in self.parts.items()}
        return {name: process for name, process in found.items() if process is not None}


def record(name: str, pids: Mapping[str, int]) -> None:
    """Remember the processes of the cluster ``name``, in place of those recorded before."""
    parts = {part: process for part, pid in pids.items() if (process := _identify(pid))}
    run = {
        "name": name,
        "owner": asdict(_myself()),
        "parts": {part: asdict(process) for part, process in parts.items()},
    }
    file = _file(name)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(run, indent=2), "utf-8")
    fresh.replace(file)


def forget(name: str) -> None:
    """Forget the cluster ``name`` of this process. Idempotent."""
    _file(name).unlink(missing_ok=True)


def find() -> list[Run]:
    """Return every run on record, oldest owner first."""
    runs = (_read(file) for file in folder().glob("*.json"))
    return sorted(filter(None, runs), key=lambda run: (run.owner.created, run.name))


def end(runs: Iterable[Run], *, all: bool = False) -> dict[str, list[str]]:
    """End the parts of interrupted runs, or of all; return the parts ended, by the run's name.

    The owners live on. Raises ``NucleusError`` when a process will not end.
    """
    ended: dict[str, list[str]] = {}
    for run in runs:
        if all or run.interrupted:
            parts = run.running()
            _end(list(parts.values()))
            run.file.unlink(missing_ok=True)
            ended[run.name] = list(parts)
    return ended


def folder() -> Path:
    """Return the folder of records, made if need be. Raises ``NucleusError``."""
    path = _base() / f"nucleus-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        about = path.lstat()
    except OSError as error:
        raise NucleusError(f"the folder {path} cannot be used: {error}") from None
    # The temp folder is everybody's: somebody else may have made ours before us.
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise NucleusError(f"{path} is not a folder of this user alone; remove it")
    return path


def _base() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = runtime and os.access(runtime, os.W_OK | os.X_OK)
    return Path(runtime if usable else tempfile.gettempdir())


def _file(name: str) -> Path:
    safe = re.sub(r"[^\w.-]", "_", name)
    return folder() / f"{os.getpid()}-{safe}.json"


def _read(file: Path) -> Run | None:
    """Read a record; one that was being removed, or is no record, is left alone."""
    try:
        run: dict[str, Any] = json.loads(file.read_text("utf-8"))
        parts = {name: Process(**part) for name, part in run["parts"].items()}
        return Run(run["name"], Process(**run["owner"]), parts, file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _identify(pid: int) -> Process | None:
    with suppress(psutil.Error):
        return Process(pid, psutil.Process(pid).create_time())
    return None


def _myself() -> Process:
    return Process(os.getpid(), psutil.Process().create_time())


def _end(processes: list[psutil.Process]) -> None:
    """Ask, wait, insist; also the children in which a worker's jobs run."""
    family = [*processes, *(child for process in processes for child in _children(process))]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            process.resume()  # a frozen one hears it, too
    for process in _await_ends(family, TERM_TIMEOUT):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    stubborn = [process.pid for process in _await_ends(family, KILL_TIMEOUT)]
    if stubborn:
        raise NucleusError(f"these processes did not end: {stubborn}")


def _await_ends(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait until all have ended, at most ``timeout`` seconds; return those that have not."""
    deadline = time.monotonic() + timeout
    while alive := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return alive


def find_process(pid: int) -> psutil.Process | None:
    """Return the process that has this id now, or ``None`` when it has ended."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if _runs(process):
            return process
    return None


def _runs(process: psutil.Process) -> bool:
    """Whether it runs. A zombie has ended, even if nobody has taken note yet."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []
