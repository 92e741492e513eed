"""Attacks on a running, protected cluster: each is refused as documented, and the work goes on.

Meanwhile hundreds of jobs run, all of which have to finish, with no worker lost over it; see
``work_goes_on``. What each limit is, and what it protects from, is in ``docs/security.md``.
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import grpc
import psutil
import pytest
import requests

from nucleus.cluster import Cluster
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc import loop
from nucleus.rpc.access import Access
from nucleus.rpc.channel import open_channel
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from tests.security_support import (
    BEARER,
    TOKEN,
    WRONG,
    port_of,
    protected_cluster,
    raw_connections,
    raw_request,
    work_goes_on,
)
from tests.support import eventually

SCRIPT = "<script>alert('1')</script>"
HALF_OPEN = 1_000
LONG = 100_000_000  # bytes
METADATA = (("authorization", f"Bearer {TOKEN}"),)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with protected_cluster() as cluster:
        yield cluster


def doors(cluster: Cluster) -> dict[str, int]:
    """The ports that a cluster listens on."""
    where = {
        "master": cluster.address,
        "dashboard": cluster.dashboard_url,
        "push": cluster.push_url,
        "scrape": cluster.scrape_url,
    }
    return {name: port_of(address) for name, address in where.items()}


# ---- too many, too much ---------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"GET /stats HTTP/1.1\r\nHost: x\r\nX-Half: "])
@pytest.mark.parametrize("door", ["master", "dashboard", "push", "scrape"])
def test_a_thousand_half_open_connections(cluster: Cluster, door: str, said: bytes) -> None:
    with raw_connections(doors(cluster)[door], HALF_OPEN, said), work_goes_on(cluster):
        pass


def test_ten_thousand_pushed_series(cluster: Cluster) -> None:
    body = "".join(f'flood{{a="{number}"}} 1\n' for number in range(10_000))
    with work_goes_on(cluster):
        target = f"{cluster.push_url}/metrics/job/flood"
        answer = requests.put(target, data=body, headers=BEARER, timeout=30)
        assert answer.status_code == 400
        assert answer.json()["error"] == "line 5001: more than 5000 series from one source"
    assert "flood" not in requests.get(cluster.scrape_url, timeout=60).text


@pytest.mark.long
def test_ten_thousand_sources(cluster: Cluster) -> None:
    seen = set()
    with work_goes_on(cluster), requests.Session() as session:
        session.headers.update(BEARER)
        for number in range(10_000):
            target = f"{cluster.push_url}/metrics/job/flood/instance/{number}"
            seen.add(session.put(target, data="x 1\n", timeout=30).status_code)
            if 429 in seen:
                break
        # The cluster's own parts were there before, and go on pushing.
        eventually(lambda: "nucleus_worker_up" in requests.get(cluster.scrape_url, timeout=60).text)
        for other in range(number):
            session.delete(f"{cluster.push_url}/metrics/job/flood/instance/{other}", timeout=30)
    assert seen == {200, 429}


@pytest.mark.parametrize(
    ("door", "path"), [("dashboard", "/submit_job"), ("push", "/metrics/job/a"), ("scrape", "/")]
)
def test_a_body_of_a_hundred_megabytes(cluster: Cluster, door: str, path: str) -> None:
    port = doors(cluster)[door]
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    announced = f"{start}Content-Length: {LONG}\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with work_goes_on(cluster):
        # Refused before any of it has arrived, or where it grows too long on the way.
        assert raw_request(port, announced.encode()).startswith(b"HTTP/1.1 413 ")
        chunked = f"{start}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 65
        assert raw_request(port, chunked).startswith(b"HTTP/1.1 413 ")


def test_a_call_of_a_hundred_megabytes(cluster: Cluster) -> None:
    with work_goes_on(cluster), grpc.insecure_channel(cluster.address) as channel:
        job = pb.JobSpec(job_type="Echo", payload="1" * LONG)
        with pytest.raises(grpc.RpcError) as refusal:
            JobQueueServiceStub(channel).SendJob(job, metadata=METADATA, timeout=60)
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


# ---- things in places where they do not belong ----------------------------------------


PATHS = (
    "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd",
    "/static/....//app.py", "/../../etc/passwd", "/static/%00", "/jobs/..%2f..%2fetc%2fpasswd",
    "/metrics/job/..%2f..%2fetc%2fpasswd", "/metrics/../../../etc/passwd", "/static/..\\app.py",
)  # fmt: skip
BREAKS = ("\r\n", "\n", "\r", "%0d%0a", "%0a")


def get(port: int, path: str) -> bytes:
    """Ask for a path as it is, with the token; return the whole answer."""
    start = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    return raw_request(port, f"{start}Authorization: Bearer {TOKEN}\r\n\r\n".encode())


def test_no_path_leads_out_of_the_folder(cluster: Cluster) -> None:
    ports = doors(cluster)
    with work_goes_on(cluster):
        for name, path in product(("dashboard", "push", "scrape"), PATHS):
            answer = get(ports[name], path)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.split()[1] in (b"400", b"404", b"405"), (name, path, answer[:200])
            assert json.loads(body)["success"] is False
            assert b"root:" not in body and b"import" not in body, (name, path)


def test_no_header_can_be_smuggled_into_an_answer(cluster: Cluster) -> None:
    port = doors(cluster)["dashboard"]
    with work_goes_on(cluster):
        for breaks, place in product(BREAKS, ("/jobs/", "/find?job=", "/?token=", "/")):
            answer = get(port, f"{place}x{breaks}Set-Cookie: a=b{breaks}{breaks}<html>")
            for head in answer.split(b"\r\n\r\n")[::2]:
                lines = head.lower().splitlines()
                assert not any(line.startswith(b"set-cookie") for line in lines), (place, breaks)
            assert b"\r\n\r\n<html>" not in answer, (place, breaks)


def test_requests_in_requests_are_refused(cluster: Cluster) -> None:
    inner = "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n"
    smuggles = (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        f"Content-Length: 5\r\nContent-Length: {len(inner)}",
        "Content-Length: +5",
        "X: a\nContent-Length: 5",
    )
    with work_goes_on(cluster):
        for smuggled in smuggles:
            request = f"POST /submit_job HTTP/1.1\r\nHost: x\r\n{smuggled}\r\n\r\n{inner}"
            answer = raw_request(doors(cluster)["dashboard"], request.encode())
            assert answer.split()[1] in (b"400", b"501"), answer[:200]
            assert answer.count(b"HTTP/1.") == 1


@contextmanager
def worker_called_script(cluster: Cluster) -> Iterator[None]:
    """A worker that says a script whatever it is asked, and fails one job with it."""
    with grpc.insecure_channel(cluster.address) as channel:
        stub = JobQueueServiceStub(channel)
        credit = pb.Credit(window=1, seq=1)
        hello = pb.GetJobsRequest(
            worker=SCRIPT, incarnation=SCRIPT, session=1, slots=1, credit=credit,
            job_types=[SCRIPT],
        )  # fmt: skip
        stream = stub.GetJobs(hello, metadata=METADATA)
        next(stream)

        def fail() -> None:
            [leases] = next(stream).leases
            failed = pb.Result(job_id=leases.job_ids[0], lease=leases.leases[0], error=SCRIPT)
            report = pb.SendResultRequest(worker=SCRIPT, incarnation=SCRIPT, result=failed)
            stub.SendResult(report, metadata=METADATA, timeout=60)

        working = threading.Thread(target=fail, daemon=True)
        working.start()
        yield
        working.join(10)
        bye = pb.HeartbeatRequest(worker=SCRIPT, incarnation=SCRIPT, session=1, leaving=True)
        stub.Heartbeat(bye, metadata=METADATA, timeout=60)


def test_a_script_in_any_place_comes_back_as_data(cluster: Cluster) -> None:
    url = cluster.dashboard_url
    with (
        work_goes_on(cluster),
        worker_called_script(cluster),
        requests.Session() as session,
    ):
        session.headers.update(BEARER)
        job = {"job_type": SCRIPT, "payload": SCRIPT, "max_attempts": 1}
        job_id = session.post(f"{url}/submit_job", json=job, timeout=60).json()["job_id"]

        def ended() -> Any:
            found = session.get(f"{url}/jobs/{job_id}", timeout=60)
            return found if found.json()["job"]["finished_at"] else None

        found = eventually(ended)
        told = found.json()["job"]
        said = (told["job_type"], told["payload"], told["worker"], told["error"])
        assert said == (SCRIPT,) * 4
        odd = session.get(f"{url}/jobs/{SCRIPT}", timeout=60)
        for answer in (found, odd, session.get(f"{url}/workers", timeout=60)):
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        page = session.get(f"{url}/", headers={"Accept": "text/html"}, timeout=60)
        assert SCRIPT not in page.text and "&lt;script&gt;" in page.text


def test_a_form_of_another_site_is_refused(cluster: Cluster) -> None:
    paths = ("/submit_job", "/jobs/x/retry", "/submit", "/login")
    signs = ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"})
    with work_goes_on(cluster):
        for path, shown in product(paths, signs):
            answer = requests.post(
                cluster.dashboard_url + path,
                data={"token": TOKEN, "job_type": "Echo", "payload": "1"},
                headers=BEARER | shown,
                timeout=60,
            )
            assert answer.status_code == 403, (path, shown)


# ---- strangers ------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [{}, {"Authorization": f"Bearer {WRONG}"}], ids=["none", "wrong"])
def test_hundreds_of_attempts_without_the_token(cluster: Cluster, shown: dict[str, str]) -> None:
    metadata = [(name.lower(), value) for name, value in shown.items()]
    with (
        work_goes_on(cluster),
        requests.Session() as session,
        grpc.insecure_channel(cluster.address) as channel,
    ):
        session.headers.update(shown)
        stub = JobQueueServiceStub(channel)
        for number in range(100):
            job = {"job_type": "Stranger", "payload": number}
            rest = session.post(f"{cluster.dashboard_url}/submit_job", json=job, timeout=60)
            push = session.put(f"{cluster.push_url}/metrics/job/stranger", "x 1\n", timeout=60)
            assert (rest.status_code, push.status_code) == (401, 401)
            with pytest.raises(grpc.RpcError) as refusal:
                stub.SendJob(pb.JobSpec(job_type="Stranger"), metadata=metadata, timeout=60)
            assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "stranger" not in requests.get(cluster.scrape_url, timeout=60).text


def test_no_token_is_on_a_command_line_that_everybody_can_read(cluster: Cluster) -> None:
    lines = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    for part in ("master", "worker", "monitoring", "dashboard"):
        assert any(f"nucleus {part}" in line or f".{part}" in line for line in lines), part
    assert [line for line in lines if TOKEN in line] == []


# ---- floods ---------------------------------------------------------------------------


async def flood(address: str, connections: int, seconds: float) -> int:
    """Submit as much as goes in, over as many connections and streams as there may be."""
    until = time.monotonic() + seconds
    order = pb.Order(like=pb.JobSpec(job_type="Sleep", max_attempts=1), payloads=["0"] * 100)
    request = pb.SendJobsRequest(orders=[order])
    channels = [open_channel(address, Access(TOKEN)) for _ in range(connections)]

    async def one(stub: JobQueueServiceStub) -> int:
        taken = 0
        while time.monotonic() < until:
            try:
                await stub.SendJobs(request, timeout=30)
                taken += 1
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
        return taken

    stubs = [JobQueueServiceStub(channel) for channel in channels]
    taken = await asyncio.gather(*(one(stub) for stub in stubs for _ in range(50)))
    for channel in channels:
        await channel.close()
    return sum(taken)


@pytest.mark.long
def test_a_flood_from_one_client_does_not_stop_the_heartbeats_of_others() -> None:
    with protected_cluster() as cluster:
        flooding = loop.acquire().start(flood(cluster.address, 4, seconds=15))
        oldest = 0.0
        while not flooding.done():
            stats = cluster.client.stats()
            assert {worker.state for worker in stats.workers} == {"alive"}
            oldest = max(oldest, *(worker.heartbeat_age for worker in stats.workers))
        loop.release()
        assert flooding.result() > 100
        # They are sent every 3 s, and a worker is lost after 10.
        assert oldest < 8
