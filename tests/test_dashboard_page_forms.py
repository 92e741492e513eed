"""The forms of the dashboard's page, and whose requests are taken."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from nucleus.core.limits import Limits
from nucleus.jobs import default_registry
from nucleus.services.dashboard import app, safety
from tests.dashboard_support import Rest, running_dashboard
from tests.page_support import PREFIX, behind_prefix

HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    """A dashboard whose jobs stay in the queue, of which six fit."""
    with running_dashboard(limits=Limits(max_queued=6)) as rest:
        yield rest


@pytest.fixture(autouse=True)
def room(rest: Rest) -> Iterator[None]:
    yield
    for job_id in rest.get("/get_all_jobs?status=QUEUED")["jobs"]:
        rest.ask("DELETE", f"/jobs/{job_id}")


def post(rest: Rest, path: str, **options: Any) -> requests.Response:
    return requests.post(rest.url + path, timeout=60, allow_redirects=False, **options)


def submit(rest: Rest, **typed: str) -> requests.Response:
    return post(rest, "/submit", data={"job_type": "Fibonacci", "payload": "30", **typed})


def problems(html: str) -> dict[str, str]:
    """What stands beside each field."""
    found = re.findall(r'id="e-(\w+)" class="error"><span [^>]*>✗</span> ([^<]*)<', html)
    return {field: unescape(words) for field, words in found}


# ---- submitting -----------------------------------------------------------------------


@pytest.mark.parametrize("job_type", default_registry().names())
def test_the_form_shows_what_the_payload_of_each_type_may_be(rest: Rest, job_type: str) -> None:
    answer = requests.get(f"{rest.url}/submit?job_type={job_type}", headers=HTMX, timeout=60)
    known = default_registry().get(job_type)
    assert f"{job_type} takes {known.allowed}." in unescape(answer.text)
    assert f">{json.dumps(known.example)}</textarea>" in unescape(answer.text)
    assert "<html" not in answer.text and "<html" in rest.ask("GET", "/submit").text


def test_a_form_without_script_leads_to_the_page_of_the_job(rest: Rest) -> None:
    answer = submit(rest, payload=" 7 ", priority="5", delay="0.5", max_attempts="2", timeout="9")
    assert answer.status_code == 303
    job_id = answer.headers["Location"].removeprefix("page/jobs/")
    job = rest.get(f"/jobs/{job_id}")["job"]
    assert (job["payload"], job["priority"], job["max_attempts"]) == (7, 5, 2)


def test_a_form_with_script_comes_back_and_says_what_it_did(rest: Rest) -> None:
    data = {"job_type": "Echo", "payload": '{"a": "ä\\u0000"}'}
    answer = post(rest, "/submit", data=data, headers=HTMX)
    assert answer.status_code == 200 and problems(answer.text) == {}
    told = json.loads(answer.headers["HX-Trigger"])
    assert told["note"]["words"].endswith(" is in the queue.") and "look" in told
    assert rest.get(f"/jobs/{told['note']['job']}")["job"]["payload"] == {"a": "ä\x00"}


WRONG = {
    "payload=46": {"payload": "46 is not allowed; Fibonacci takes an integer from 0 to 45"},
    "payload=": {"payload": "an empty text is not JSON: Expecting value at character 0"},
    "payload=[1": {"payload": "[1 is not JSON: Expecting ',' delimiter at character 2"},
    "payload=NaN": {"payload": "NaN is not JSON"},
    "priority=high": {"priority": '"high" is not allowed; an integer from -1000 to 1000; '
                                  "higher runs first"},
    "priority=1.5": {"priority": "1.5 is not allowed; an integer from -1000 to 1000; "
                                 "higher runs first"},
    "delay=-1": {"delay": "-1 is not allowed; seconds to wait before the first attempt, "
                          "from 0 to 31536000"},
    "max_attempts=101": {"max_attempts": "101 is not allowed; an integer from 1 to 100"},
    "timeout=0": {"timeout": "0 is not allowed; seconds for each attempt, more than 0 and at "
                             "most 86400, or null"},
    "job_type=": {"job_type": "missing; the name of a job type, like Fibonacci"},
    "job_type=Nope": {"job_type": "'Nope' is not allowed; known: Echo, FastFibonacci, Fibonacci, "
                                  "Flaky, Poison, Sleep"},
}  # fmt: skip


@pytest.mark.parametrize("typed", WRONG)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    rest: Rest, typed: str
) -> None:
    name, _, value = typed.partition("=")
    before = rest.submitted()
    answer = submit(rest, **{name: value})
    assert (answer.status_code, problems(answer.text)) == (200, WRONG[typed])
    assert rest.submitted() == before
    field = answer.text.partition(f'id="f-{name}"')[2].partition("</p>")[0]
    assert f'aria-invalid="true" aria-describedby="e-{name} ' in field
    assert value in unescape(field)


def test_two_wrong_fields_are_both_told(rest: Rest) -> None:
    assert set(problems(submit(rest, payload="x", delay="y").text)) == {"payload", "delay"}


@pytest.mark.parametrize("megabytes", [2, 10, 20])
def test_a_form_that_is_too_long_is_refused(rest: Rest, megabytes: int) -> None:
    answer = submit(rest, payload="9" * megabytes * 10**6)
    assert answer.status_code == 413 and answer.json()["success"] is False


def test_a_long_payload_is_taken_and_shown_in_part(rest: Rest) -> None:
    payload = "x" * 1_000_000
    answer = submit(rest, job_type="Echo", payload=json.dumps(payload))
    page = requests.get(f"{rest.url}/{answer.headers['Location']}", timeout=60).text
    assert "… and 980,002 more characters" in page and page.count("x" * 100) <= 200


def test_a_full_queue_and_a_used_key_are_told(rest: Rest) -> None:
    assert submit(rest, idempotency_key="once").status_code == 303
    assert "idempotency_key" in problems(submit(rest, idempotency_key="once", payload="1").text)
    answers = [submit(rest) for _ in range(7)]
    assert re.search(r'class="error" role="alert">.*6 jobs', answers[-1].text)


# ---- cancel and retry -----------------------------------------------------------------


def test_cancel_and_retry_lead_to_the_job_without_script(rest: Rest) -> None:
    job_id = rest.submit("Echo", "again")
    cancelled = post(rest, f"/page/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.headers["Location"]) == (303, f"../{job_id}")
    assert rest.get(f"/jobs/{job_id}")["job"]["status"] == "CANCELLED"
    retried = post(rest, f"/page/jobs/{job_id}/retry")
    new = retried.headers["Location"].removeprefix("../")
    assert rest.get(f"/jobs/{new}")["job"]["retry_of"] == job_id


def test_cancel_and_retry_tell_an_open_page_what_they_did(rest: Rest) -> None:
    job_id = rest.submit("Echo", "again")
    told = []
    for what in ("cancel", "retry", "cancel"):
        answer = post(rest, f"/page/jobs/{job_id}/{what}", headers=HTMX)
        assert (answer.status_code, answer.content) == (204, b"")
        told.append(json.loads(answer.headers["HX-Trigger"])["note"]["words"])
    number = int(job_id[-10:])
    assert told[0] == told[2] == f"Job {number} is cancelled."
    assert re.fullmatch(rf"Job \d+ tries job {number} again\.", told[1])


def test_what_cannot_be_done_is_told(rest: Rest) -> None:
    job_id = rest.submit("Echo", "again")
    answer = post(rest, f"/page/jobs/{job_id}/retry")
    assert answer.status_code == 409 and "only an ended job can be retried" in answer.text
    told = post(rest, f"/page/jobs/{job_id}/retry", headers=HTMX)
    assert "only an ended job" in json.loads(told.headers["HX-Trigger"])["note"]["words"]
    assert post(rest, "/page/jobs/nobody/cancel").status_code == 404


def test_forms_and_their_redirects_work_behind_a_proxy_that_strips_a_prefix(rest: Rest) -> None:
    with behind_prefix(rest.url) as url:
        data = {"job_type": "Echo", "payload": "1"}
        page = requests.post(f"{url}submit", data=data, timeout=60)
        assert page.url.startswith(f"{url}page/jobs/") and "What happened" in page.text
        page = requests.post(f"{page.url}/cancel", timeout=60)
        assert PREFIX in page.url and "cancelled" in page.text
        assert requests.get(f"{url}static/page.css", timeout=60).ok


# ---- whose requests are taken ---------------------------------------------------------

REFUSED = {
    "of a page of another site": {"Sec-Fetch-Site": "cross-site"},
    "of a neighbour": {"Sec-Fetch-Site": "same-site"},
    "of another port": {"Origin": "http://127.0.0.1:1"},
    "of another site, in an older browser": {"Origin": "https://evil.example"},
    "of a page without an origin, such as a file": {"Origin": "null"},
    "of what is no address": {"Origin": "http://["},
    "of a page that claims its origin only": {
        "Sec-Fetch-Site": "cross-site",
        "Origin": "http://HOST",
    },
}
TAKEN = {
    "of our own page": {"Sec-Fetch-Site": "same-origin", "Origin": "http://HOST"},
    "typed into the address bar": {"Sec-Fetch-Site": "none"},
    "of our own page, in an older browser": {"Origin": "http://HOST"},
    "of a program": {},
}
CHANGES = ["POST /submit", "POST /page/jobs/x/cancel", "POST /page/jobs/x/retry"]
CHANGES += ["POST /submit_job", "POST /jobs/x/retry", "DELETE /jobs/x"]


def ask(rest: Rest, call: str, headers: dict[str, str]) -> int:
    host = rest.url.removeprefix("http://")
    method, path = call.split()
    sent = {name: value.replace("HOST", host) for name, value in headers.items()}
    return requests.request(method, rest.url + path, headers=sent, timeout=60).status_code


@pytest.mark.parametrize("call", CHANGES)
@pytest.mark.parametrize("whose", REFUSED)
def test_a_change_that_another_site_asks_for_is_refused(rest: Rest, call: str, whose: str) -> None:
    assert ask(rest, call, REFUSED[whose]) == 403


@pytest.mark.parametrize("call", CHANGES)
@pytest.mark.parametrize("whose", TAKEN)
def test_a_change_that_our_page_or_a_program_asks_for_is_taken(
    rest: Rest, call: str, whose: str
) -> None:
    assert ask(rest, call, TAKEN[whose]) != 403


def test_links_from_other_sites_work(rest: Rest) -> None:
    assert ask(rest, "GET /", {"Sec-Fetch-Site": "cross-site"}) == 200


@pytest.mark.parametrize("path", ["/", "/stats", "/nothing", "/static/page.js", "/page/jobs/x"])
def test_every_answer_forbids_what_the_page_does_not_need(rest: Rest, path: str) -> None:
    headers = requests.get(rest.url + path, timeout=60).headers
    for name, value in safety.HEADERS.items():
        assert headers[name] == value
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';") and "unsafe" not in policy


@pytest.mark.parametrize("path", ["..%2f..%2fapp.py", "../app.py", "%2e%2e/app.py", "/etc/passwd"])
def test_static_files_are_those_of_the_page_only(rest: Rest, path: str) -> None:
    assert requests.get(f"{rest.url}/static/{path}", timeout=60).status_code == 404


def test_neither_scripts_nor_styles_stand_in_a_template() -> None:
    templates = Path(app.__file__).parent / "templates"
    for template in templates.iterdir():
        text = template.read_text("utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|hx-on|javascript:|\| *safe", text), template
        assert all("src=" in tag for tag in re.findall("<script[^>]*>", text)), template


def test_the_vendored_library_is_the_version_that_is_said() -> None:
    folder = Path(app.__file__).parent / "static" / "vendor"
    said = re.search(r"npm pack htmx.org@([0-9.]+)", (folder / "README.md").read_text("utf-8"))
    assert said is not None
    assert f'this.version="{said[1]}"' in (folder / "htmx.min.js").read_text("utf-8")
    assert "Zero-Clause BSD" in (folder / "htmx.LICENSE.txt").read_text("utf-8")
