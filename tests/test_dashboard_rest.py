"""Every endpoint of the dashboard, with ``requests`` and with curl."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from nucleus.core.limits import Limits
from nucleus.jobs import default_registry
from nucleus.services.dashboard import gateway
from nucleus.services.dashboard.app import dashboard_app
from tests.dashboard_support import Rest, error, running_dashboard
from tests.support import eventually, require


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    with running_dashboard(worker="w<1>") as rest:
        yield rest


@pytest.fixture(scope="module")
def idle() -> Iterator[Rest]:
    """A dashboard whose master has no workers, so that jobs stay queued; five fit."""
    with running_dashboard(limits=Limits(max_queued=5)) as rest:
        yield rest


FIELDS = {
    "job_type",
    "payload",
    "status",
    "result",
    "error",
    "worker",
    "attempts",
    "submitted_at",
    "started_at",
    "finished_at",
}


def test_a_submitted_job_is_run_and_listed_with_its_result(rest: Rest) -> None:
    job_id = rest.submit("Fibonacci", 20)
    job = rest.ended(job_id)
    assert (job["status"], job["result"], job["attempts"]) == ("COMPLETED", 6765, 1)
    listed = rest.get("/get_all_jobs")
    assert listed["success"] is True and set(listed) == {"success", "jobs"}
    assert set(listed["jobs"][job_id]) == FIELDS
    assert listed["jobs"][job_id] == {name: job[name] for name in FIELDS}
    assert job["submitted_at"] <= job["started_at"] <= job["finished_at"]


def test_every_option_of_a_submit_reaches_the_job(rest: Rest) -> None:
    job_id = rest.submit("Echo", [1], priority=-7, delay=0.1, max_attempts=2, timeout=9.5)
    job = rest.ended(job_id)
    assert (job["priority"], job["max_attempts"], job["result"]) == (-7, 2, [1])
    assert job["started_at"] - job["submitted_at"] >= 0.1


def test_a_failed_job_shows_its_error(rest: Rest) -> None:
    job = rest.ended(rest.submit("Flaky", {"p": 1}, max_attempts=1))
    assert job["status"] == "FAILED"
    assert "bad luck" in job["error"]


def test_the_same_idempotency_key_gives_the_same_job_and_another_job_conflicts(rest: Rest) -> None:
    first = rest.submit("Echo", "once", idempotency_key="key-1")
    assert rest.submit("Echo", "once", idempotency_key="key-1") == first
    body = {"job_type": "Echo", "payload": "twice", "idempotency_key": "key-1"}
    assert "key-1" in error(rest.ask("POST", "/submit_job", json=body), 409)


def test_pages_follow_one_another_and_hold_every_job_once(rest: Rest) -> None:
    made = [rest.submit("Echo", number) for number in range(5)]
    found: list[str] = []
    token = ""
    while True:
        page = rest.get(f"/get_all_jobs?limit=2{token}")
        assert len(page["jobs"]) <= 2
        found += page["jobs"]
        if page["next_page_token"] is None:
            break
        token = f"&page_token={page['next_page_token']}"
    assert found == list(rest.get("/get_all_jobs")["jobs"])
    assert found[-5:] == made
    tail = rest.get(f"/get_all_jobs?page_token={found[-3]}")["jobs"]
    assert list(tail) == found[-2:]


def test_a_listing_begins_with_the_newest_job_when_that_is_asked_for(rest: Rest) -> None:
    made = [rest.submit("Echo", number) for number in range(4)]
    newest = rest.get("/get_all_jobs?order=newest&limit=3")
    assert list(newest["jobs"]) == made[:0:-1]
    following = f"/get_all_jobs?order=newest&limit=1&page_token={newest['next_page_token']}"
    assert list(rest.get(following)["jobs"]) == made[:1]
    every = list(rest.get("/get_all_jobs?order=oldest")["jobs"])
    assert list(rest.get("/get_all_jobs?order=newest")["jobs"]) == every[::-1]


def test_a_listing_without_a_limit_asks_for_a_page_when_the_one_before_is_written(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        rest.submit("Echo", number)
    monkeypatch.setattr(gateway, "PAGE", 2)
    asked = []
    ask = gateway.Gateway.page

    def page(self: gateway.Gateway, *args: Any, **options: Any) -> Any:
        asked.append(args)
        return ask(self, *args, **options)

    monkeypatch.setattr(gateway.Gateway, "page", page)
    own = gateway.Gateway(rest.master, default_registry())
    with closing(own):
        app = dashboard_app(own, default_registry())
        parts = iter(app.test_client().get("/get_all_jobs", buffered=False).response)
        written = [(str(next(parts)), len(asked)) for _ in range(3)]
        assert [pages for _, pages in written] == [1, 2, 3]


def test_a_listing_can_be_filtered_by_status(idle: Rest) -> None:
    queued, cancelled = idle.submit("Echo", 1), idle.submit("Echo", 2)
    idle.ask("DELETE", f"/jobs/{cancelled}")
    assert queued in idle.get("/get_all_jobs?status=QUEUED")["jobs"]
    assert list(idle.get("/get_all_jobs?status=CANCELLED&limit=1")["jobs"]) == [cancelled]
    assert idle.get("/get_all_jobs?status=FAILED")["jobs"] == {}


def test_cancelling_is_repeatable_and_an_ended_job_can_be_retried(idle: Rest) -> None:
    job_id = idle.submit("Echo", "again")
    assert "only an ended job" in error(idle.ask("POST", f"/jobs/{job_id}/retry"), 409)
    for _ in range(2):
        answer = idle.ask("DELETE", f"/jobs/{job_id}").json()
        assert answer == {"success": True, "job_id": job_id, "status": "CANCELLED"}
    retried = idle.ask("POST", f"/jobs/{job_id}/retry").json()["job_id"]
    job = idle.get(f"/jobs/{retried}")["job"]
    assert (job["payload"], job["status"], job["retry_of"]) == ("again", "QUEUED", job_id)
    idle.ask("DELETE", f"/jobs/{retried}")


def test_an_ended_job_cannot_be_cancelled(rest: Rest) -> None:
    job_id = rest.submit("Echo", 1)
    rest.ended(job_id)
    assert "COMPLETED" in error(rest.ask("DELETE", f"/jobs/{job_id}"), 409)


@pytest.mark.parametrize("call", ["GET /jobs/{}", "DELETE /jobs/{}", "POST /jobs/{}/retry"])
@pytest.mark.parametrize("job_id", ["nobody", "abcdef-0000000001", "%FF", "%00", "ü", "x" * 300])
def test_an_unknown_job_is_not_found(rest: Rest, call: str, job_id: str) -> None:
    method, path = call.split()
    assert "job_id" in error(rest.ask(method, path.format(job_id)), 404)


def test_a_full_queue_is_429(idle: Rest) -> None:
    for _ in range(8):
        answer = idle.ask("POST", "/submit_job", json={"job_type": "Echo", "payload": 0})
        if answer.status_code != 200:
            break
    assert "5" in error(answer, 429)
    for job_id in idle.get("/get_all_jobs?status=QUEUED")["jobs"]:
        idle.ask("DELETE", f"/jobs/{job_id}")


def test_workers_and_stats_tell_of_the_cluster(rest: Rest) -> None:
    workers = eventually(lambda: rest.get("/workers")["workers"])
    assert [worker["name"] for worker in workers] == ["w<1>"]
    assert workers[0]["state"] == "alive" and "Fibonacci" in workers[0]["job_types"]
    stats = rest.get("/stats")["stats"]
    assert stats["submitted"] == sum(stats["jobs"].values())
    assert stats["job_types"]["Fibonacci"] == "an integer from 0 to 45"


def test_health_is_good_while_the_master_answers(rest: Rest) -> None:
    assert rest.get("/healthz") == {"success": True, "master": rest.master, "epoch": 1}


def test_a_wrong_method_names_the_allowed_ones(rest: Rest) -> None:
    answer = rest.ask("PUT", "/jobs/x")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"
    assert error(answer, 405).startswith("PUT is not allowed on this path; allowed are DELETE, GET")


def test_head_and_options_behave(rest: Rest) -> None:
    for path in ("/", "/stats", "/get_all_jobs"):
        head = rest.ask("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
    options = rest.ask("OPTIONS", "/submit_job")
    assert set(options.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@pytest.mark.parametrize("path", ["/nothing", "/jobs/", "/stats/", "/jobs//x", "/jobs/a/b"])
def test_an_unknown_path_is_not_found(rest: Rest, path: str) -> None:
    assert "/openapi.json" in error(rest.ask("GET", path), 404)


def curl(arguments: str) -> Any:
    command = [require("curl", package="curl"), "-sS", *shlex.split(arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


def test_curl_does_every_call(rest: Rest) -> None:
    url = rest.url
    body = '{"job_type": "Fibonacci", "payload": 30}'
    made = curl(f"{url}/submit_job -H 'Content-Type: application/json' -d '{body}'")
    assert made["success"] is True
    job_id = made["job_id"]
    assert rest.ended(job_id)["result"] == 832040
    assert curl(f"{url}/get_all_jobs")["jobs"][job_id]["result"] == 832040
    assert job_id in curl(f"'{url}/get_all_jobs?status=COMPLETED&limit=5000'")["jobs"]
    assert curl(f"{url}/jobs/{job_id}")["job"]["status"] == "COMPLETED"
    assert curl(f"-X DELETE {url}/jobs/{job_id}")["success"] is False
    assert curl(f"-X POST {url}/jobs/{job_id}/retry")["success"] is True
    for path in ("workers", "stats", "healthz"):
        assert curl(f"{url}/{path}")["success"] is True
    assert curl(f"{url}/openapi.json")["openapi"] == "3.1.0"
