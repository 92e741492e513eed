"""The dashboard without a master, at its start and at its end, and under a long listing."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psutil
import pytest
import requests

from nucleus.client import Client, JobHandle
from nucleus.core.errors import InvalidArgument, NotFound, NucleusError, PortTaken, Unavailable
from nucleus.jobs import default_registry
from nucleus.rpc.access import OPEN, Access
from nucleus.services.dashboard import Dashboard
from nucleus.services.dashboard.gateway import Gateway, Turnstile
from nucleus.services.master import Master
from tests.dashboard_support import Rest, error
from tests.security_support import TOKEN, WRONG
from tests.support import eventually, free_port, living_threads, running_master

ECHO = {"job_type": "Echo", "payload": 1}
DOUBTFUL = ECHO | {"payload": "doubtful"}
PATIENCE = 2.0  # seconds: a test without a master waits for as long, one with a master far less


@contextmanager
def dashboard_for(port: int, patience: float = PATIENCE) -> Iterator[Rest]:
    """A dashboard for a master on this port that may or may not be there."""
    dashboard = Dashboard(port=0, master=f"127.0.0.1:{port}", patience=patience)
    dashboard.start()
    try:
        yield Rest(dashboard.url, dashboard.master)
    finally:
        dashboard.stop()


@contextmanager
def gateway_for(address: str, access: Access = OPEN) -> Iterator[Gateway]:
    """A gateway, and nobody but the test that asks something of it."""
    with closing(Gateway(address, default_registry(), PATIENCE, access)) as gateway:
        yield gateway


def submit(rest: Rest, job: dict[str, Any] = ECHO) -> requests.Response:
    return rest.ask("POST", "/submit_job", json=job)


def test_without_a_master_every_request_is_a_503_within_seconds() -> None:
    calls = ["GET /get_all_jobs", "GET /jobs/x", "DELETE /jobs/x", "POST /jobs/x/retry"]
    calls += ["GET /workers", "GET /stats", "GET /healthz"]
    with dashboard_for(free_port(), patience=3.0) as rest, ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(rest.ask, *call.split()) for call in calls]
        page = pool.submit(rest.ask, "GET", "/")
        openapi = pool.submit(rest.ask, "GET", "/openapi.json")
        for answer in answers:
            assert f"no answer from the master at {rest.master} within" in error(
                answer.result(), 503
            )
        assert page.result().status_code == 503
        assert f"no answer from the master at {rest.master}" in page.result().text
        # What needs no master is answered as ever.
        assert "Fibonacci" in openapi.result().text
        assert "no answer" not in error(rest.ask("POST", "/submit_job", json={}), 400)


def test_a_submit_refused_for_certain_never_happens_and_the_dashboard_recovers() -> None:
    port = free_port()
    with dashboard_for(port) as rest:
        message = error(submit(rest), 503)
        assert message.endswith("; nothing happened, so you can send it again")
        with running_master(port=port):
            job_id = eventually(lambda: submit(rest).json().get("job_id"))
            assert list(rest.get("/get_all_jobs")["jobs"]) == [job_id]
            assert rest.get("/healthz")["success"] is True


def test_a_submit_that_may_have_happened_is_told_so_and_holds_up_no_other_for_long() -> None:
    port = free_port()
    with dashboard_for(port) as rest:
        with running_master(port=port):
            eventually(lambda: submit(rest).status_code == 200)
        doubtful = error(submit(rest, DOUBTFUL), 503)
        assert doubtful.endswith("; it may have happened, so look before you send it again")
        # While it is open, nothing else is taken in: these can all be certain.
        for _ in range(3):
            assert "nothing happened" in error(submit(rest), 503)
        with running_master(port=port):
            # The doubtful one happens, and later ones are taken in again.
            eventually(lambda: submit(rest).status_code == 200)
            jobs = rest.get("/get_all_jobs")["jobs"].values()
            assert [job["payload"] for job in jobs].count("doubtful") == 1


def test_a_crowd_of_requests_neither_hangs_nor_piles_up_without_a_master() -> None:
    with dashboard_for(free_port(), patience=0.8) as rest, ThreadPoolExecutor(100) as pool:
        error(submit(rest), 503)
        messages = [error(answer, 503) for answer in pool.map(lambda _: submit(rest), range(300))]
        assert all("nothing happened" in message for message in messages)
        # Few of them were patient, each in one of the 32 threads: most were sent away at once.
        assert sum("requests wait for it already" in message for message in messages) > 200


def test_start_refuses_a_taken_port_and_stop_leaves_nothing() -> None:
    with running_master() as master:
        before = living_threads()
        dashboard = Dashboard(port=0, master=master.address)
        dashboard.start()
        url = dashboard.url
        assert dashboard.ready_line() == f"dashboard: {url} for the master at {master.address}"
        with pytest.raises(PortTaken, match=f"port {dashboard.port} on .* --port"):
            Dashboard(port=dashboard.port, master=master.address).start()
        assert submit(Rest(url)).status_code == 200
        dashboard.stop()
        dashboard.stop()
        assert living_threads() <= before
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=1)
        dashboard.start()  # on the same port again, which is free
        assert dashboard.url == url and Rest(url).get("/healthz")["success"] is True
        dashboard.stop()


# ---- a client that has ended ----------------------------------------------------------


def problem(call: Callable[[], object]) -> str:
    """Why a call does not work; "" when it does."""
    try:
        call()
    except NucleusError as error:
        return str(error)
    return ""


def test_after_a_refused_token_submits_are_taken_again_and_health_says_so_until_then() -> None:
    port = free_port()
    with gateway_for(f"127.0.0.1:{port}", Access(TOKEN)) as gateway:

        def submit() -> str:
            return problem(lambda: gateway.submit("Echo", 1))

        untaken = "no submit was taken until now: this is not the token"
        for _ in range(2):
            with running_master(port=port, token=WRONG):
                eventually(lambda: "not the token" in submit())
                assert "not the token" in problem(gateway.glance)
            with running_master(port=port, token=TOKEN):
                # Nobody submits meanwhile, so health is the first to notice.
                eventually(lambda: problem(gateway.glance).startswith(untaken))
                assert problem(gateway.glance) == ""
                eventually(lambda: submit() == "")
        with running_master(port=port, token=WRONG):
            eventually(lambda: "not the token" in submit())
        with running_master(port=port, token=TOKEN):
            eventually(lambda: submit() == "")  # without anybody asking for its health
            assert problem(gateway.glance) == ""


# ---- what is kept ---------------------------------------------------------------------


def handles(payload: Any) -> list[JobHandle]:
    """The handles of jobs with this payload that somebody in this process still holds."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if isinstance(thing, JobHandle)]
    return [handle for handle in found if handle.payload == payload]


def test_nothing_is_kept_of_jobs_that_are_durable_and_have_not_ended() -> None:
    payload = "kept by the master alone"
    with running_master() as master, gateway_for(master.address) as gateway:
        job_id = eventually(lambda: gateway.submit("Echo", payload))
        assert gateway.job(job_id).status == "QUEUED"
        eventually(lambda: not handles(payload))
        gateway.cancel(job_id)
        again = gateway.retry(job_id)
        assert (gateway.job(again).payload, gateway.job(again).status) == (payload, "QUEUED")
        assert not handles(payload)


def test_nothing_is_kept_of_a_submit_that_was_given_up_on_and_taken_in_later() -> None:
    payload, port = "doubtful", free_port()
    with gateway_for(f"127.0.0.1:{port}") as gateway:
        with running_master(port=port):
            eventually(lambda: problem(lambda: gateway.submit("Echo", 1)) == "")
        assert problem(lambda: gateway.submit("Echo", payload))
        assert handles(payload)
        with running_master(port=port):
            eventually(lambda: problem(lambda: gateway.submit("Echo", 1)) == "")
            jobs, _ = gateway.page("", 100)
            assert [job.payload for job in jobs].count(payload) == 1
            eventually(lambda: not handles(payload))


# ---- the turnstile --------------------------------------------------------------------


def test_any_answer_of_the_master_lets_everybody_through_again() -> None:
    turnstile = Turnstile(1)

    def answered_with(error: NucleusError) -> bool:
        """Whether two may ask at once after one has been told this."""
        for bad in (Unavailable("gone"), error):
            with pytest.raises(type(bad)), turnstile.turn():
                raise bad
        with turnstile.turn():
            return problem(lambda: turnstile.turn().__enter__()) == ""

    assert not answered_with(Unavailable("still gone"))
    assert not answered_with(InvalidArgument("seen without asking"))
    assert answered_with(NotFound("no such job"))


def test_reads_of_the_history_wait_in_line_for_a_missing_master() -> None:
    with gateway_for(f"127.0.0.1:{free_port()}") as gateway, ThreadPoolExecutor(20) as pool:
        assert problem(gateway.stats)

        def read(_: int) -> str:
            return problem(lambda: gateway.events("x", 1, 2))

        assert any("wait for it already" in said for said in pool.map(read, range(20)))


def test_a_read_of_the_history_takes_up_no_place_once_it_has_begun() -> None:
    with running_master() as master, gateway_for(master.address) as gateway:
        gateway.submit("Echo", 1)
        readers = [gateway._history(1) for _ in range(20)]
        assert [next(reader).seq for reader in readers] == [1] * 20
        master.stop()
        for _ in range(2):
            assert "no answer" in problem(gateway.stats)  # else: so many wait for it already


@pytest.mark.filterwarnings("error")
def test_stop_is_quiet_when_a_submit_was_never_answered() -> None:
    port = free_port()
    with dashboard_for(port) as rest:
        with running_master(port=port):
            eventually(lambda: submit(rest).status_code == 200)
        error(submit(rest), 503)


# ---- a long listing -------------------------------------------------------------------

JOBS = 20_000
PAYLOAD = "x" * 2_000  # characters: 40 MB altogether

SERVE = """
import sys, threading
from nucleus.services.dashboard import Dashboard
dashboard = Dashboard(port=0, master=sys.argv[1], patience=10.0)
dashboard.start()
print(dashboard.url, flush=True)
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def long_listing() -> Iterator[tuple[Rest, Master, int]]:
    """A dashboard in a process of its own, in front of many jobs: (face, master, process id)."""
    with running_master() as master:
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
    return requests.get(f"{rest.url}/get_all_jobs", stream=True, timeout=60)


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
