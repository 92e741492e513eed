"""The parts of a cluster: services in this process, or processes of their own.

Both kinds have the same face, so that :class:`~nucleus.cluster.Cluster` need not know which
it has: ``start``, ``stop``, ``crash``, ``pause``, ``resume``.
"""

import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from nucleus.core.errors import InvalidArgument, NucleusError
from nucleus.rpc.access import OPEN, TOKEN_VARIABLE, VARIABLES, Access
from nucleus.services.dashboard import Dashboard
from nucleus.services.master import Master
from nucleus.services.monitoring import Monitoring
from nucleus.services.worker import Worker

START_TIMEOUT = 60.0  # seconds until a part is ready: a master may have a million jobs to load
BAD_INPUT = 2  # exit code of a part whose port is taken, or whose store cannot be used
LAST_WORDS = 1.0  # seconds that a part which did not start has to end
STOP_TIMEOUT = 6.0  # seconds until a part that was asked to stop is killed


class Part(Protocol):
    """One part of a running cluster."""

    name: str

    @property
    def pid(self) -> int | None:
        """The process it runs in, ``None`` for this one."""

    def launch(self) -> None:
        """Begin to start; does not wait."""

    def wait_ready(self) -> None:
        """Wait until it serves. Raises ``NucleusError`` with what it said."""

    def ask_to_stop(self) -> None:
        """Begin a clean stop; does not wait."""

    def wait_stopped(self) -> list[str]:
        """Wait until it has stopped; return the names of jobs that could not be stopped."""

    def exit_code(self, timeout: float) -> int | None:
        """Wait at most ``timeout`` seconds for it to end by itself; ``None`` if it does not."""

    def crash(self) -> None:
        """End it without a word."""

    def pause(self) -> None:
        """Freeze it."""

    def resume(self) -> None:
        """Let it go on."""


Service: TypeAlias = Master | Worker | Monitoring | Dashboard


class ThreadPart:
    """A service in background threads of this process."""

    pid = None

    def __init__(self, name: str, service: Service) -> None:
        self.name = name
        self._service = service

    def launch(self) -> None:
        """Start it; services in threads are quick."""
        self._service.start()

    def wait_ready(self) -> None:
        """It is."""

    def ask_to_stop(self) -> None:
        """Stopping is quick, too: see ``wait_stopped``."""

    def wait_stopped(self) -> list[str]:
        """Stop it."""
        return self._service.stop() or []

    def exit_code(self, timeout: float) -> int | None:
        """It does not."""

    def crash(self) -> None:
        """Make it vanish."""
        if isinstance(self._service, Master | Worker):
            self._service.crash()
        else:
            self._service.stop()

    def pause(self) -> None:
        """Freeze a worker."""
        if isinstance(self._service, Worker):
            self._service.pause()

    def resume(self) -> None:
        """Wake a worker."""
        if isinstance(self._service, Worker):
            self._service.resume()


class ProcessPart:
    """A part in a process of its own: ``python -m module options``.

    The process leads a session of its own, so that Ctrl-C and a notebook's stop button do
    not reach it, and ends when its lifeline closes, however this process ends.
    """

    def __init__(
        self, name: str, module: str, options: list[str], folder: Path, access: Access = OPEN
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", module, *options]
        self._environment = _environment(access)
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._frozen = False

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process is not None else None

    def launch(self) -> None:
        """Start the process."""
        ours, theirs = os.pipe()
        try:
            with open(self.log, "ab") as log:
                self._process = subprocess.Popen(
                    [*self._command, "--lifeline", str(ours)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                    pass_fds=(ours,),
                )
        finally:
            os.close(ours)
        self._lifeline = theirs

    def wait_ready(self) -> None:
        """Wait for the line that says so."""
        if self._process is None or self._process.stdout is None:
            raise NucleusError(f"{self.name} was not started")
        out = self._process.stdout
        if not _has_news(out, START_TIMEOUT) or not out.readline():
            raise self._failure()

    def _failure(self) -> NucleusError:
        code = self.exit_code(LAST_WORDS)
        self.crash()
        lines = self.log.read_text(errors="replace").strip().splitlines()
        last_words = lines[-1].removeprefix("Error: ") if lines else "it said nothing"
        message = f"{self.name} did not start: {last_words}"
        return InvalidArgument(message) if code == BAD_INPUT else NucleusError(message)

    def exit_code(self, timeout: float) -> int | None:
        """Wait at most ``timeout`` seconds for the process to end by itself."""
        try:
            return self._process.wait(timeout) if self._process is not None else None
        except subprocess.TimeoutExpired:
            return None

    def ask_to_stop(self) -> None:
        """Send SIGTERM; a frozen process cannot hear it, and is killed."""
        self._signal(signal.SIGKILL if self._frozen else signal.SIGTERM)

    def wait_stopped(self) -> list[str]:
        """Wait for its end; kill it when it takes too long."""
        if self._process is not None:
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._let_go()
        return []

    def crash(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)
        self._let_go()

    def pause(self) -> None:
        """Send SIGSTOP."""
        self._frozen = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT."""
        self._frozen = False
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _let_go(self) -> None:
        if self._process is not None:
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _environment(access: Access) -> dict[str, str]:
    """This process's own, but for who may do what: that is the cluster's affair."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | ({TOKEN_VARIABLE: access.token} if access.token else {})


def _has_news(out: IO[bytes], timeout: float) -> bool:
    """Wait for something to read, or the end; ``select.select`` ends at descriptor 1,023."""
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        return bool(selector.select(timeout))
