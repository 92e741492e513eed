"""What tests share: waiting for a condition, free ports, and real components.

A component that is missing skips the test on a user's machine, naming the package to install,
and fails it where ``CI=true``.
"""

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import grpc
import psutil
import pytest
import requests

from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.master import Master
from nucleus.services.worker import Worker

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout: float = 60.0, interval: float = 0.02) -> T:
    """Return the first true answer of ``predicate``; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {timeout:g} s")
        time.sleep(interval)  # the step of this wait
    return answer


def job_children() -> list[psutil.Process]:
    """Return the processes in which this process's workers run jobs.

    Other children may be there as well, such as the resource tracker of multiprocessing.
    """
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "nucleus.jobs.child" in child.cmdline()]


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require(program: str, package: str) -> str:
    """Return the path of a program, or skip (in CI: fail) naming its apt package."""
    return shutil.which(program) or missing(f"{program} is missing: apt-get install {package}")


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI, where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Prometheus:
    """A real Prometheus that scrapes once a second."""

    url: str

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Return (labels, value) of each series of an instant query."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": promql}, timeout=60)
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return requests.get(f"{self.url}/-/ready", timeout=1).ok
        except requests.RequestException:
            return False


@contextmanager
def running_prometheus(targets: Sequence[str]) -> Iterator[Prometheus]:
    """Run Prometheus over ``targets`` (``host:port``), without any rules."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "prometheus.yml")
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "  - job_name: nucleus\n"
            "    honor_labels: true\n"
            f"    static_configs: [{{targets: {list(targets)!r}}}]\n"
        )
        with configured_prometheus(config) as prometheus:
            yield prometheus


@contextmanager
def configured_prometheus(config: Path) -> Iterator[Prometheus]:
    """Run Prometheus on a free port, its data and its log beside its configuration."""
    program = require("prometheus", package="prometheus")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={config.with_name('data')}",
        f"--web.listen-address={address}",
    ]
    log_file = config.with_name("log")
    with open(log_file, "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        prometheus = Prometheus(f"http://{address}")
        eventually(lambda: process.poll() is not None or prometheus.ready())
        assert process.poll() is None, log_file.read_text()
        yield prometheus
    finally:
        process.terminate()
        process.wait(timeout=60)


# ---- the services ---------------------------------------------------------------------


@contextmanager
def running_master(store: str = "memory", port: int = 0, **options: Any) -> Iterator[Master]:
    """Run a master in this process, on a free port unless one is given."""
    master = Master(port=port, store=store, **options)
    master.start()
    try:
        yield master
    finally:
        master.stop()


@contextmanager
def running_worker(master: str, name: str = "w1", **options: Any) -> Iterator[Worker]:
    """Run a worker in this process; its jobs run in threads unless an executor is given."""
    worker = Worker(master, name=name, **{"executor": "thread", **options})
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@contextmanager
def open_stub(address: str) -> Iterator[JobQueueServiceStub]:
    """Open a plain, blocking gRPC stub with the default limits, as any stock tool has."""
    with grpc.insecure_channel(address) as channel:
        yield JobQueueServiceStub(channel)


@dataclass(frozen=True)
class Refused:
    """How a call was refused."""

    code: str  # such as INVALID_ARGUMENT
    message: str
    reason: str  # such as STALE_LEASE, "" without one


def refused(call: Callable[[], object]) -> Refused:
    """Make a call that must be refused, and return how it was."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    metadata = dict(error.trailing_metadata() or ())
    return Refused(error.code().name, error.details(), metadata.get("nucleus-reason", ""))


def service_threads() -> list[str]:
    """Return the names of the threads that services have started and not ended."""
    ours = ("nucleus", "job-thread", "metrics")
    return [t.name for t in threading.enumerate() if t.name.startswith(ours)]


def living_threads() -> set[threading.Thread]:
    """Return the threads of this process, without gRPC's poller, which comes and goes by itself."""
    return {t for t in threading.enumerate() if "_poll_wrapper" not in t.name and t.is_alive()}


def wait_for_output(process: "subprocess.Popen[str]", expected: str) -> str:
    """Return the first line of a child's output that holds ``expected``; fail if it ends."""
    assert process.stdout is not None
    for line in process.stdout:
        if expected in line:
            return line.strip()
    raise AssertionError(f"the child ended without {expected!r}")


def require_in_environment(program: str, package: str) -> str:
    """Return the path of a program that a PyPI package puts beside this Python."""
    beside = Path(sys.executable).with_name(program)
    return str(beside) if beside.exists() else require(program, package)


_MASTER = """
import sys
from nucleus.core.limits import Limits
from nucleus.services.master import Master
store, port, timeout = sys.argv[1:]
master = Master(port=int(port), store=store, limits=Limits(worker_timeout=float(timeout)))
master.start()
print(f"serves {master.port}", flush=True)
sys.stdin.read()
master.stop()
"""


class MasterProcess:
    """A master in a process of its own, to be killed or frozen; it can be started again."""

    def __init__(self, store: Path, *, worker_timeout: float = 10.0) -> None:
        self.port = 0
        self._store = store
        self._timeout = worker_timeout
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, after the first time on the same port."""
        arguments = [str(self._store), str(self.port), str(self._timeout)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _MASTER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(wait_for_output(self.process, "serves").split()[1])

    def kill(self) -> None:
        """Kill it as the kernel does."""
        self.process.kill()
        self.process.communicate(timeout=60)


@contextmanager
def master_process(store: Path, **options: Any) -> Iterator[MasterProcess]:
    """Run a master in a child process."""
    master = MasterProcess(store, **options)
    try:
        yield master
    finally:
        master.kill()


@contextmanager
def small_file_system(parent: Path) -> Iterator[Path]:
    """Mount an empty file system of 16 MB, to be filled up; skip where that is not possible."""
    folder = parent / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system, and not everywhere")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up the rest of a file system with one file, and return it."""
    ballast = folder / "ballast"
    with open(ballast, "ab", buffering=0) as out:
        try:
            while out.write(b"x" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return ballast
