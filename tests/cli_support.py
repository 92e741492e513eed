"""What the tests of the command line share: real child processes, and what they said."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PATIENCE = 15  # seconds; a test that waits that long has failed


@dataclass
class Child:
    """A running command."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """Return the next line of its stdout."""
        out = self.process.stdout
        assert out is not None
        line = b""
        while not line.endswith(b"\n"):  # byte by byte: what a buffer holds, select cannot see
            assert select.select([out], [], [], PATIENCE)[0], f"it says nothing after {line!r}"
            byte = os.read(out.fileno(), 1)
            assert byte, f"it says nothing more after {line!r}"
            line += byte
        return line.decode()

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send it a signal; return its exit code and the rest of stdout and stderr."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def running(
    *arguments: str,
    env: dict[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
    stdout: int = subprocess.PIPE,
) -> Iterator[Child]:
    """Run ``python -m …`` as a child process; kill it in the end, if need be."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        yield Child(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run ``python -m …`` to its end; return exit code, stdout and stderr."""
    with running(*arguments, env=env) as child:
        return child.end()
