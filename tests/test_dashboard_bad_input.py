"""Bad input over REST: each a clear error, and the ledger as it was."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.dashboard_support import Rest, error, running_dashboard


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    with running_dashboard() as rest:
        yield rest


@pytest.fixture(autouse=True)
def nothing_changes(rest: Rest) -> Iterator[None]:
    before = rest.get("/stats")["stats"]
    yield
    after = rest.get("/stats")["stats"]
    assert (after["submitted"], after["jobs"]) == (before["submitted"], before["jobs"])


JSON = {"Content-Type": "application/json"}


def post(rest: Rest, body: str | bytes, **headers: str) -> requests.Response:
    return rest.ask("POST", "/submit_job", data=body, headers={**JSON, **headers})


def job(**fields: Any) -> str:
    return json.dumps({"job_type": "Fibonacci", "payload": 30} | fields)


FIBONACCI = "Fibonacci takes an integer from 0 to 45"
PRIORITY = "an integer from -1000 to 1000; higher runs first"
OPTIONS = "job_type, payload, priority, delay, max_attempts, timeout, idempotency_key"

BAD_FIELDS = {
    '{"payload": 30}': "job_type: missing; the name of a job type, like Fibonacci",
    '{"job_type": "Fibonacci"}': "payload: missing; a JSON value that the job type takes",
    "{}": "job_type: missing; the name of a job type, like Fibonacci. "
    "payload: missing; a JSON value that the job type takes",
    job(job_type=""): 'job_type: "" is not allowed; the name of a job type, like Fibonacci',
    job(job_type=None): "job_type: null is not allowed; the name of a job type, like Fibonacci",
    job(job_type="\ud800"): 'job_type: "\\ud800" is not allowed; the name of a job type, '
    "like Fibonacci",
    job(job_type="Nope"): "job_type: 'Nope' is not allowed; "
    "known: Echo, FastFibonacci, Fibonacci, Flaky, Poison, Sleep",
    job(payload=None): f"payload: null is not allowed; {FIBONACCI}",
    job(payload="30"): f'payload: "30" is not allowed; {FIBONACCI}',
    job(payload=1.5): f"payload: 1.5 is not allowed; {FIBONACCI}",
    job(payload=30.0): f"payload: 30.0 is not allowed; {FIBONACCI}",
    job(payload=True): f"payload: true is not allowed; {FIBONACCI}",
    job(payload=-1): f"payload: -1 is not allowed; {FIBONACCI}",
    job(payload=46): f"payload: 46 is not allowed; {FIBONACCI}",
    job(payload=[30]): f"payload: [30] is not allowed; {FIBONACCI}",
    job(prority=1): f"prority: unknown field; allowed are {OPTIONS}",
    '{"job_type": "Echo", "payload": 1, "\\ud800": 1}': "the name of a field: unknown field; "
    f"allowed are {OPTIONS}",
    job(priority="high"): f'priority: "high" is not allowed; {PRIORITY}',
    job(priority=1001): f"priority: 1001 is not allowed; {PRIORITY}",
    job(priority=True): f"priority: true is not allowed; {PRIORITY}",
    job(delay=-1): "delay: -1 is not allowed; "
    "seconds to wait before the first attempt, from 0 to 31536000",
    job(max_attempts=0): "max_attempts: 0 is not allowed; an integer from 1 to 100",
    job(timeout=0): "timeout: 0 is not allowed; "
    "seconds for each attempt, more than 0 and at most 86400, or null",
    job(idempotency_key=""): 'idempotency_key: "" is not allowed; '
    "1 to 200 characters, or null; the same key gives the same job",
    "[]": "the body: [] is not allowed; a JSON object is",
    "7": "the body: 7 is not allowed; a JSON object is",
    '{"job_type": "Fibonacci", "payload": 1, "payload": 2}': "payload: stands twice in one "
    "object; once is allowed",
    '{"job_type": "Echo", "payload": {"a": {"b": 1, "b": 1}}}': "b: stands twice in one "
    "object; once is allowed",
    '{"job_type": "Echo", "payload": NaN}': "the body is not JSON: NaN is no JSON number",
    '{"job_type": "Echo", "payload": -Infinity}': "the body is not JSON: -Infinity is no JSON "
    "number",
    '{"job_type": "Echo",\n "payload": }': "the body is not JSON: Expecting value at line 2, "
    "column 13",
    "": "the body is not JSON: Expecting value at line 1, column 1",
    '{"job_type": "Echo", "payload": ' + "[" * 50_000: "the body is nested far too deeply; "
    "a payload is nested at most 64 deep",
    '{"job_type": "Echo", "payload": ' + "9" * 5_000 + "}": "the body: " + "9" * 59 + "… has "
    "5,000 digits; at most 4,300 are allowed",
}


@pytest.mark.parametrize(("body", "message"), BAD_FIELDS.items(), ids=lambda text: text[:40])
def test_bad_fields_are_named_with_what_is_allowed(rest: Rest, body: str, message: str) -> None:
    assert error(post(rest, body), 400) == message


def test_a_payload_that_is_nested_too_deeply_is_refused(rest: Rest) -> None:
    body = '{"job_type": "Echo", "payload": ' + "[" * 65 + "]" * 65 + "}"
    assert "nested more than 64 deep" in error(post(rest, body), 400)


def test_a_number_beyond_all_numbers_is_refused(rest: Rest) -> None:
    message = error(post(rest, '{"job_type": "Echo", "payload": 1e999}'), 400)
    assert message.startswith("payload: ")


def test_a_payload_of_more_than_a_mebibyte_is_refused(rest: Rest) -> None:
    body = json.dumps({"job_type": "Echo", "payload": "x" * (1 << 20)})
    assert "at most 1,048,576" in error(post(rest, body), 400)


def test_bytes_that_are_not_utf_8_are_refused_with_their_place(rest: Rest) -> None:
    message = error(post(rest, b'{"job_type": "\xff"}'), 400)
    assert message == "the body is not UTF-8: invalid start byte at byte 14"


@pytest.mark.parametrize("megabytes", [2, 10, 20])
def test_a_long_body_is_413_with_the_limit(rest: Rest, megabytes: int) -> None:
    body = job(padding="x" * megabytes * 10**6)
    message = error(post(rest, body), 413)
    assert "1,572,864" in message or megabytes > 4  # those never reach the dashboard


def test_a_long_chunked_body_is_413_too(rest: Rest) -> None:
    chunks = (b"x" * 100_000 for _ in range(20))
    assert "1,572,864" in error(rest.ask("POST", "/submit_job", data=chunks, headers=JSON), 413)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_content_type_is_415(rest: Rest, headers: dict[str, str]) -> None:
    assert "is not allowed" in error(post(rest, job(), **headers), 415)


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("/get_all_jobs?limit=0", 'limit: "0" is not allowed; an integer from 1 to 5000'),
        ("/get_all_jobs?limit=5001", 'limit: "5001" is not allowed'),
        ("/get_all_jobs?limit=1.0", 'limit: "1.0" is not allowed'),
        ("/get_all_jobs?limit=", 'limit: "" is not allowed'),
        ("/get_all_jobs?limit=%D9%A1", "limit: "),  # a digit, but not an ASCII one
        ("/get_all_jobs?limit=1&limit=2", "limit: 2 query parameters; one is allowed"),
        ("/get_all_jobs?status=queued", 'status: "queued" is not allowed; one of QUEUED, RUNNING'),
        ("/get_all_jobs?page_token=garbage", 'page_token: "garbage" is not allowed'),
        ("/get_all_jobs?page_token=", 'page_token: "" is not allowed'),
        ("/get_all_jobs?page_token=%FF%00", "page_token: "),
        ("/get_all_jobs?order=up", 'order: "up" is not allowed; one of oldest, newest'),
        ("/get_all_jobs?sort=up", "sort: unknown query parameter; allowed are status, limit, page"),
        ("/stats?verbose=1", "verbose: unknown query parameter; this path takes none"),
    ],
)
def test_bad_query_parameters_are_named(rest: Rest, path: str, start: str) -> None:
    assert error(rest.ask("GET", path), 400).startswith(start)


def test_the_page_token_of_another_ledger_is_not_found(rest: Rest) -> None:
    assert "page_token" in error(rest.ask("GET", "/get_all_jobs?page_token=abc-0000000007"), 404)


def test_a_body_where_none_is_taken_is_refused(rest: Rest) -> None:
    answer = rest.ask("POST", "/jobs/x/retry", json={"priority": 5})
    assert error(answer, 400) == "the body: POST on this path takes none"


def test_a_request_that_is_not_http_is_answered_in_json(rest: Rest) -> None:
    host, port = rest.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
        head, _, body = raw.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400") or head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["success"] is False
