"""Servers and workers of a benchmark: started as child processes, and always ended."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
START = 30.0  # seconds that a server may take until it listens
GRACE = 5.0  # seconds between asking a process to end and ending it


class Broken(RuntimeError):
    """A server or a worker did not come up, or a result did not come in."""


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def script(name: str) -> str:
    """Return the path of a command that is installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


class Processes:
    """The child processes of one adapter, in the order of their start, and their folder."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nucleus-bench-")
        self.folder = Path(self._folder.name)
        self._running: list[subprocess.Popen[bytes]] = []

    def start(
        self, *command: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a command in the project's root; what it prints goes to a file."""
        with self._log(len(self._running)).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**clean_environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._running.append(process)
        return process

    def wait_for_port(self, port: int) -> None:
        """Wait until someone listens; raises ``Broken`` with the log of a process that ended."""
        self.wait_until(lambda: _listens(port), f"port {port}")

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until ``ready()``; raises ``Broken`` when a process ends or time runs out."""
        deadline = time.monotonic() + START
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Broken(f"{what} was not ready within {START:g} s")
            time.sleep(0.02)

    def check(self) -> None:
        """Raise ``Broken`` with the end of its log when a process has ended."""
        for number, process in enumerate(self._running):
            if process.poll() is not None:
                said = self._log(number).read_text("utf-8", "replace")[-2000:]
                raise Broken(f"{process.args!r} ended with {process.returncode}:\n{said}")

    def stop(self) -> None:
        """End all processes and their children, the youngest first, and remove the folder."""
        for process in reversed(self._running):
            _end(process)
        self._running.clear()
        self._folder.cleanup()

    def _log(self, number: int) -> Path:
        return self.folder / f"{number}.log"


def clean_environment() -> dict[str, str]:
    """Return the environment without settings for Nucleus, and with this project to import."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUCLEUS_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    family = _family(process.pid)
    process.terminate()
    _, alive = psutil.wait_procs(family, GRACE)
    for left in alive:
        left.kill()
    process.wait()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@dataclass(frozen=True)
class Usage:
    """Processor time in seconds, and resident memory in bytes."""

    cpu: float
    memory: int


def usage(*, servers_only: bool = False) -> Usage:
    """What this process and all its descendants use; ``servers_only`` leaves this one out."""
    me = psutil.Process()
    counted = me.children(recursive=True) if servers_only else [me, *me.children(recursive=True)]
    cpu, memory = 0.0, 0
    for process in counted:
        try:
            times = process.cpu_times()
            cpu += times.user + times.system
            memory += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return Usage(cpu, memory)
