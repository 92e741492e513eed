"""What the attack tests share: a protected cluster, work that has to go on, raw connections."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.services.common.main import raise_descriptor_limit

TOKEN = "correct-horse=battery-staple"  # with a sign that headers have a meaning for
WRONG = "incorrect-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

JOBS = 300
WITHIN = 60  # seconds; undisturbed they take less than two


@contextmanager
def protected_cluster() -> Iterator[Cluster]:
    """Run every part as a process of its own, behind a token."""
    raise_descriptor_limit()
    with Cluster(2, mode="processes", executor="thread", slots=2, token=TOKEN) as cluster:
        yield cluster


@contextmanager
def jobs_finish(client: Client) -> Iterator[None]:
    """Have jobs run meanwhile: all of them finish, and no worker is lost."""
    jobs = client.submit_many("Sleep", [0.005] * JOBS)
    yield
    for job in jobs:
        job.result(WITHIN)
    assert {worker.state for worker in client.workers()} - {"left"} == {"alive"}


@contextmanager
def work_goes_on(cluster: Cluster) -> Iterator[None]:
    """Have jobs run meanwhile, all of which finish; every door answers after that."""
    with jobs_finish(cluster.client):
        yield
    assert requests.get(f"{cluster.dashboard_url}/stats", headers=BEARER, timeout=60).ok
    assert requests.get(cluster.scrape_url, timeout=60).ok


def port_of(url: str) -> int:
    """The port in a URL, or in ``HOST:PORT``."""
    return int(url.split("://")[-1].split("/")[0].rpartition(":")[2])


@contextmanager
def raw_connections(port: int, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections that say the beginning of something, and nothing more."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            raw = socket.create_connection(("127.0.0.1", port), timeout=60)
            opened.append(stack.enter_context(raw))
            raw.sendall(said)
        yield opened


def raw_request(port: int, request: bytes) -> bytes:
    """Send bytes as they are; return all that is answered until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        raw.sendall(request)
        answer = b""
        try:
            while some := raw.recv(65_536):
                answer += some
        except ConnectionResetError:
            pass  # closed while something of ours was unread
        return answer


def token_file(folder: Path, token: str = TOKEN) -> str:
    """Write a token into a file, as a container does."""
    path = folder / "token"
    path.write_text(token + "\n")
    return str(path)
