"""The benchmark's own Redis: on a free port, without a configuration file."""

import shutil
import subprocess
from collections.abc import Sequence

from benchmarks.processes import Broken, Processes, free_port

IN_MEMORY = ("--save", "", "--appendonly", "no")
FSYNC = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
NOT_DURABLE = "none: Redis keeps it in memory only"


def start_redis(processes: Processes, persistence: Sequence[str] = IN_MEMORY) -> str:
    """Start Redis as one of ``processes``; return its URL."""
    port = free_port()
    processes.start(
        redis_command(),
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(processes.folder)),
        *persistence,
    )
    processes.wait_for_port(port)
    return f"redis://127.0.0.1:{port}/0"


def redis_command() -> str:
    """Return the path of the server; raises ``Broken``, naming the package, if it is missing."""
    command = shutil.which("redis-server")
    if command is None:
        raise Broken("redis-server is not installed; on Debian: apt-get install redis-server")
    return command


def redis_version() -> dict[str, str]:
    """Return the server's version."""
    said = subprocess.run(
        [redis_command(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return {"redis-server": next(word[2:] for word in said.split() if word.startswith("v="))}
