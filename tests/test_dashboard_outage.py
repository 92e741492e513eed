"""The dashboard without a master, at its start and at its end, and under a long listing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import requests

from nucleus.client import Client
from nucleus.core.errors import PortTaken
from nucleus.services.dashboard import Dashboard
from nucleus.services.master import Master
from tests.dashboard_support import Rest, error
from tests.support import eventually, free_port, living_threads

ECHO = {"job_type": "Echo", "payload": 1}


@contextmanager
def dashboard_for(port: int, patience: float = 0.5) -> Iterator[Rest]:
    """A dashboard for a master on this port that may or may not be there."""
    dashboard = Dashboard(port=0, master=f"127.0.0.1:{port}", patience=patience)
    dashboard.start()
    try:
        yield Rest(dashboard.url, dashboard.master)
    finally:
        dashboard.stop()


@contextmanager
def master_on(port: int) -> Iterator[Master]:
    master = Master(port=port)
    master.start()
    try:
        yield master
    finally:
        master.stop()


def submit(rest: Rest) -> requests.Response:
    return rest.ask("POST", "/submit_job", json=ECHO)


def test_without_a_master_every_request_is_a_503_within_seconds() -> None:
    calls = ["GET /get_all_jobs", "GET /jobs/x", "DELETE /jobs/x", "POST /jobs/x/retry"]
    calls += ["GET /workers", "GET /stats", "GET /healthz"]
    with dashboard_for(free_port(), patience=3.0) as rest, ThreadPoolExecutor(10) as pool:
        began = time.monotonic()
        answers = [pool.submit(rest.ask, *call.split()) for call in calls]
        page = pool.submit(rest.ask, "GET", "/")
        openapi = pool.submit(rest.ask, "GET", "/openapi.json")
        for answer in answers:
            assert f"no answer from the master at {rest.master} within" in error(
                answer.result(), 503
            )
        assert page.result().status_code == 503
        assert f"no answer from the master at {rest.master}" in page.result().text
        assert time.monotonic() - began < 4.5
        # What needs no master is answered as ever.
        assert "Fibonacci" in openapi.result().text
        assert "no answer" not in error(rest.ask("POST", "/submit_job", json={}), 400)


def test_a_submit_refused_for_certain_never_happens_and_the_dashboard_recovers() -> None:
    port = free_port()
    with dashboard_for(port) as rest:
        message = error(submit(rest), 503)
        assert message.endswith("; nothing happened, so you can send it again")
        with master_on(port):
            job_id = eventually(lambda: submit(rest).json().get("job_id"))
            assert list(rest.get("/get_all_jobs")["jobs"]) == [job_id]
            assert rest.get("/healthz")["success"] is True


def test_a_submit_that_may_have_happened_is_told_so_and_holds_up_no_other_for_long() -> None:
    port = free_port()
    with dashboard_for(port) as rest:
        with master_on(port):
            eventually(lambda: submit(rest).status_code == 200)
        doubtful = error(submit(rest), 503)
        assert doubtful.endswith("; it may have happened, so look before you send it again")
        # While it is open, nothing else is taken in: these can all be certain.
        for _ in range(3):
            assert "nothing happened" in error(submit(rest), 503)
        with master_on(port):
            # The doubtful one happens, and later ones are taken in again.
            eventually(lambda: submit(rest).status_code == 200)
            assert rest.submitted() == 2


def test_a_crowd_of_requests_neither_hangs_nor_piles_up_without_a_master() -> None:
    with dashboard_for(free_port(), patience=0.8) as rest, ThreadPoolExecutor(100) as pool:
        error(submit(rest), 503)
        began = time.monotonic()
        answers = list(pool.map(lambda _: submit(rest), range(300)))
        # 300 patient requests in 32 threads would take ten times as long.
        assert time.monotonic() - began < 3.0
        messages = [error(answer, 503) for answer in answers]
        assert all("nothing happened" in message for message in messages)
        assert any("requests wait for it already" in message for message in messages)


def test_start_refuses_a_taken_port_and_stop_leaves_nothing() -> None:
    with master_on(0) as master:
        before = living_threads()
        dashboard = Dashboard(port=0, master=master.address)
        dashboard.start()
        url = dashboard.url
        assert dashboard.ready_line() == f"dashboard: {url} for the master at {master.address}"
        with pytest.raises(PortTaken, match=f"port {dashboard.port} on .* --port"):
            Dashboard(port=dashboard.port, master=master.address).start()
        assert submit(Rest(url)).status_code == 200
        began = time.monotonic()
        dashboard.stop()
        dashboard.stop()
        assert time.monotonic() - began < 1.0
        assert living_threads() <= before
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=1)
        dashboard.start()  # on the same port again, which is free
        assert dashboard.url == url and Rest(url).get("/healthz")["success"] is True
        dashboard.stop()


@pytest.mark.filterwarnings("error")
def test_stop_is_quiet_and_quick_when_a_submit_was_never_answered() -> None:
    port = free_port()
    with dashboard_for(port) as rest:
        with master_on(port):
            eventually(lambda: submit(rest).status_code == 200)
        error(submit(rest), 503)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0


# ---- a long listing -------------------------------------------------------------------

JOBS = 20_000
PAYLOAD = "x" * 2_000  # characters: 40 MB altogether

SERVE = """
import sys, threading
from nucleus.services.dashboard import Dashboard
dashboard = Dashboard(port=0, master=sys.argv[1], patience=1.0)
dashboard.start()
print(dashboard.url, flush=True)
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def long_listing() -> Iterator[tuple[Rest, Master, int]]:
    """A dashboard in a process of its own, in front of many jobs: (face, master, process id)."""
    with master_on(0) as master:
        with Client(master.address) as client:
            client.submit_many("Echo", [PAYLOAD] * JOBS)
            client.flush(timeout=60)
        command = [sys.executable, "-c", SERVE, master.address]
        # With glibc's heap for each thread, the peak would depend on which of 32 answers.
        env = os.environ | {"MALLOC_ARENA_MAX": "1"}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield Rest(process.stdout.readline().strip(), master.address), master, process.pid
            process.kill()


def stream(rest: Rest) -> requests.Response:
    return requests.get(f"{rest.url}/get_all_jobs", stream=True, timeout=30)


def test_a_long_listing_is_streamed_in_bounded_memory(
    long_listing: tuple[Rest, Master, int],
) -> None:
    rest, _, pid = long_listing
    rest.get("/get_all_jobs?limit=1000")
    process = psutil.Process(pid)
    before = peak = process.memory_info().rss
    parts = []
    for part in stream(rest).iter_content(1 << 20):
        parts.append(part)
        peak = max(peak, process.memory_info().rss)
    body = b"".join(parts)
    assert len(json.loads(body)["jobs"]) == JOBS
    assert len(body) > 44_000_000
    assert peak - before < 22_000_000, f"grew by {(peak - before) / 1e6:.0f} MB"


def test_a_listing_that_breaks_in_the_middle_is_not_taken_for_a_whole_one(
    long_listing: tuple[Rest, Master, int],
) -> None:
    rest, master, _ = long_listing
    answer = stream(rest)
    parts = answer.iter_content(1 << 16)
    next(parts)
    master.stop()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        for _ in parts:
            pass
