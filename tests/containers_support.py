"""A Docker engine of the tests' own, and images for it where no registry can be reached.

The engine has its data in a temporary folder and listens on a socket there. It changes the
packet filter of the machine; that is put back at the end. Debian's packages make the images
that would otherwise be pulled: a bare system with Python, and Prometheus.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import eventually, require

ROOT = Path(__file__).resolve().parent.parent
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
CERTIFICATES = Path("/usr/local/share/ca-certificates")  # those of the machine's own proxy, if any
CHAOS_MINUTES, CHAOS_EVERY = 0.5, 5  # of the tests; the seed is the lab's own
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates,busybox"

PYTHON_IMAGE = """
FROM bare:test
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates \\
 && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s python3 /usr/bin/python
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore
"""
PROMETHEUS_IMAGE = """
FROM bare:test
COPY prometheus /bin/prometheus
RUN ln -s busybox /bin/wget && install -d -o nobody -g nogroup /prometheus
USER nobody
ENTRYPOINT ["/bin/prometheus"]
"""


@dataclass(frozen=True)
class Engine:
    """A Docker engine, and how long each step with it took."""

    environment: Mapping[str, str]
    seconds: dict[str, float]

    def docker(self, *arguments: str, timeout: float = 60, folder: Path = ROOT) -> str:
        """Run ``docker``; return what it printed, or fail with what it complained of."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Remember how long a step took."""
        began = time.monotonic()
        yield
        self.seconds[step] = time.monotonic() - began


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Run an engine with its data in ``folder``."""
    dockerd = require("dockerd", "docker.io")
    require("docker", "docker.io")
    if os.geteuid() != 0:
        pytest.skip("only root can run a Docker engine")
    plugins = folder / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    compose = Path(sys.executable).with_name("docker-compose")
    (plugins / "docker-compose").symlink_to(compose)
    socket = f"unix://{folder}/docker.sock"
    command = [dockerd, "-H", socket, "--storage-driver", "overlay2"]
    for option, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")):
        command += [f"--{option}", str(folder / name)]
    environment = {**os.environ, "DOCKER_HOST": socket, "DOCKER_CONFIG": str(folder / "config")}
    with _packet_filter_as_before(), open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            engine = Engine(environment, {})
            eventually(lambda: _answers(engine, process), timeout=60, interval=0.2)
            yield engine
        finally:
            process.terminate()
            process.wait(timeout=60)


def _answers(engine: Engine, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "dockerd has ended"
    command = ["docker", "version"]
    return subprocess.run(command, env=engine.environment, capture_output=True).returncode == 0


@contextmanager
def _packet_filter_as_before() -> Iterator[None]:
    forwarding = FORWARDING.read_text()
    rules = subprocess.run(["iptables-save"], capture_output=True, check=True).stdout
    try:
        yield
    finally:
        subprocess.run(["iptables-restore"], input=rules, check=True)
        FORWARDING.write_text(forwarding)


def make_base_images(engine: Engine, folder: Path) -> None:
    """Make what docker-compose.yml would pull, under the same names."""
    names = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-versions"]
    base = folder / "base"
    (base / "certificates").mkdir(parents=True)
    with engine.timed("base image"):
        bootstrap = [require("mmdebstrap", "mmdebstrap"), "--variant=minbase", "--quiet"]
        tar = base / "base.tar"
        subprocess.run([*bootstrap, f"--include={PACKAGES}", "bookworm", str(tar)], check=True)
        engine.docker("import", str(tar), "bare:test")
        tar.unlink()
        for certificate in CERTIFICATES.glob("*.crt"):
            shutil.copy(certificate, base / "certificates")
        shutil.copy(require("prometheus", "prometheus"), base)
        for image, recipe in (("python", PYTHON_IMAGE), ("prometheus", PROMETHEUS_IMAGE)):
            file = base / f"{image}.Dockerfile"
            file.write_text(recipe)
            engine.docker("build", "-q", "-t", names[image], "-f", str(file), str(base))


def copy_of_the_project(folder: Path) -> Path:
    """Return a copy with what a clone would have, and nothing else."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    copy = folder / "nucleus"
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@dataclass(frozen=True)
class Lab:
    """The lab of docker-compose.yml, from a copy of the project."""

    engine: Engine
    folder: Path
    services: Sequence[str]

    def compose(self, *arguments: str, timeout: float = 60) -> str:
        """Run ``docker compose``; return what it printed."""
        return self.engine.docker("compose", *arguments, timeout=timeout, folder=self.folder)

    def up(self, *overlays: str, timeout: float = 400) -> None:
        """Start it, and wait until all of it is healthy."""
        files = [f"-f{file}" for file in ("docker-compose.yml", *overlays)]
        self.compose(*files, "up", "--detach", "--wait", *self.services, timeout=timeout)

    def containers(self) -> list[dict[str, Any]]:
        """Return what Docker knows of each of the lab's containers."""
        ids = self.compose("ps", "--all", "--quiet").split()
        known: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", *ids))
        return known

    def python(self, code: str) -> str:
        """Run some Python in JupyterLab's container, which can reach all the others."""
        return self.compose("exec", "-T", "jupyter", "/opt/nucleus/bin/python", "-c", code)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Return the series of an instant query, from the lab's own Prometheus."""
        answer = self.python(
            "import requests; print(requests.get('http://prometheus:9090/api/v1/query',"
            f" params={{'query': {promql!r}}}, timeout=60).text)"
        )
        series: list[dict[str, Any]] = json.loads(answer)["data"]["result"]
        return series
