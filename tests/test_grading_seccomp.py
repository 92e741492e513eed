"""System calls that a student's process does not have, whatever way it takes to them."""

import subprocess
import sys
from pathlib import Path

import pytest

BOUND = """
import os, resource, signal, socket, threading
from nucleus.grading.seccomp import bind
assert bind(), "not here"
try:
    {attempt}
except (PermissionError, RuntimeError) as error:
    print(type(error).__name__)
else:
    print("went through")
"""
FORK_EXEC = (
    "__import__('_posixsubprocess').fork_exec([b'/bin/true'], [b'/bin/true'], True, (), None, None,"
    " -1, -1, -1, -1, -1, -1, *os.pipe(), True, True, -1, None, None, None, -1, None, False)"
)


def attempt(what: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BOUND.format(attempt=what)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    if "not here" in done.stderr:
        pytest.skip("this system has no seccomp, or another architecture")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "what",
    [
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        FORK_EXEC,
        "os.kill(os.getppid(), 0)",
        "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)",
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
        "socket.socket()",
        "threading.Thread(target=print).start()",
    ],
    ids=["fork", "exec", "spawn", "kill", "pidfd", "limits of another", "socket", "thread"],
)
def test_processes_signals_and_sockets_are_refused(what: str) -> None:
    if sys.version_info >= (3, 12) and what == FORK_EXEC:
        pytest.skip("its arguments differ from one version to the next")
    assert attempt(what) in ("PermissionError", "RuntimeError")


@pytest.mark.parametrize(
    "what",
    [
        "open('/dev/null').close()",
        "sum(i * i for i in range(1000))",
        "bytearray(50_000_000)",
        "__import__('json').dumps([1])",
        "signal.setitimer(signal.ITIMER_PROF, 100)",
    ],
)
def test_what_a_solution_does_goes_through(what: str) -> None:
    assert attempt(what) == "went through"
