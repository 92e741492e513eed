"""The dashboard's page: what it shows of the cluster, of the jobs and of one job."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from html import unescape

import pytest
from flask.testing import FlaskClient

from nucleus.client import Client
from nucleus.core.errors import Unavailable
from nucleus.core.limits import Limits
from nucleus.jobs import JobType, Registry, default_registry
from nucleus.services.dashboard import listing
from nucleus.services.dashboard.app import dashboard_app
from nucleus.services.dashboard.gateway import Gateway
from nucleus.services.dashboard.samples import Samples
from tests.page_support import links
from tests.support import eventually, free_port, running_master, running_worker

SCRIPT = "<script>alert(1)</script>"


def shout(payload: object) -> None:
    raise RuntimeError(f"{SCRIPT} {payload}")


def types() -> Registry:
    """The shipped types, and one whose errors and output are hostile."""
    registry = Registry()
    for name in default_registry().names():
        registry.register(default_registry().get(name))
    registry.register(JobType("Shout", shout))
    return registry


class Face:
    """The page, and a client of the same master."""

    def __init__(self, page: FlaskClient, client: Client) -> None:
        self.page = page
        self.client = client

    def read(self, path: str = "/", status: int = 200) -> str:
        answer = self.page.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def rows(self, path: str = "/") -> list[int]:
        """The numbers of the jobs that are listed."""
        return [int(number) for number in re.findall(r'<tr id="job-(\d+)">', self.read(path))]


def face_of(stack: ExitStack, address: str, samples: Samples | None = None) -> Face:
    gateway = stack.enter_context(closing(Gateway(address, types(), patience=30.0)))
    client = stack.enter_context(Client(address, registry=types()))
    return Face(dashboard_app(gateway, types(), samples=samples).test_client(), client)


@pytest.fixture(scope="module")
def busy() -> Iterator[Face]:
    """A page whose master has a worker."""
    with ExitStack() as stack:
        master = stack.enter_context(running_master())
        stack.enter_context(running_worker(master.address, name="w<1>", registry=types()))
        yield face_of(stack, master.address)


@pytest.fixture
def idle() -> Iterator[Face]:
    """A page whose master has no workers and no jobs yet."""
    with ExitStack() as stack:
        master = stack.enter_context(running_master())
        yield face_of(stack, master.address)


def follow(text: str, name: str) -> str:
    """Where the link of this name leads, "" when there is none."""
    found = re.search(rf'<a id="page-{name}" href="\.([^"#]*)#jobs"', text)
    return unescape(found[1]) if found else ""


# ---- the overview ---------------------------------------------------------------------


def test_an_empty_page_says_how_to_begin(idle: Face) -> None:
    text = idle.read()
    assert "No jobs yet." in text and "nucleus submit Fibonacci 30 --master" in text
    assert "No workers. Start one:" in text
    assert "Fibonacci takes an integer from 0 to 45." in text


def test_the_page_counts_jobs_and_shows_workers_with_the_age_of_their_heartbeats(
    busy: Face,
) -> None:
    busy.client.submit("Echo", 1).result()
    text = busy.read()
    assert re.search(r'class="n">[1-9]\d*</span> <span class="label">.*✓</span> completed', text)
    assert re.search(r'title="w&lt;1&gt;">w&lt;1&gt;</span></th>\s*<td .*alive', text)
    assert re.search(r'<span class="num">[0-9.]+ s</span>\s*<svg', text)
    assert "1 worker is alive." in text


def test_whatever_a_job_and_a_worker_are_called_and_say_is_text(busy: Face) -> None:
    job = busy.client.submit("Shout", SCRIPT, max_attempts=1)
    assert job.exception() is not None
    for path in ("/", f"/page/jobs/{job.id}", f"/find?job={SCRIPT}", f"/page/jobs/{SCRIPT[:8]}"):
        text = busy.page.get(path).text
        assert "&lt;script&gt;" in text and "<script>" not in text, path
        assert "<1>" not in text
    form = busy.page.post("/submit", data={"job_type": SCRIPT, "payload": SCRIPT}).text
    assert "&lt;script&gt;" in form and "<script>" not in form


def test_every_address_is_relative(busy: Face) -> None:
    job = busy.client.submit("Echo", 1)
    pages = ["/", "/?status=COMPLETED", "/submit", "/find?job=nobody", f"/page/jobs/{job.id}"]
    for path in [*pages, "/page/jobs/nobody"]:
        root = "../../" if path.startswith("/page") else "./"
        found = links(busy.page.get(path).text)
        assert len(found) > 4
        for link in found:
            assert link.startswith((root, "#", "?")), f"{link} on {path}"


def test_numbers_that_a_browser_cannot_hold_keep_their_digits(busy: Face) -> None:
    number = 2**64 + 1
    job = busy.client.submit("Echo", number)
    assert job.result() == number
    assert str(number) in busy.read()
    assert busy.read(f"/page/jobs/{job.id}").count(str(number)) >= 2  # payload and result


def test_the_links_lead_through_all_jobs_in_both_directions(
    idle: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SHOWN", 4)
    made = [handle.acknowledged() for handle in idle.client.submit_many("Echo", range(11))]
    numbers = [int(job_id[-10:]) for job_id in made][::-1]
    seen, path = [], "/"
    while path:
        seen.append(idle.rows(path))
        path = follow(idle.read(path), "Older")
    assert seen == [numbers[:4], numbers[4:8], numbers[8:]]
    path, seen = follow(idle.read("/"), "Oldest"), []
    while path:
        seen.append(idle.rows(path))
        path = follow(idle.read(path), "Newer")
    assert seen == [numbers[7:], numbers[3:7], numbers[:3]]
    assert follow(idle.read("/"), "Newest") == follow(idle.read("/"), "Newer") == ""


def test_jobs_are_filtered_by_status_and_by_type(idle: Face) -> None:
    echo, sleep = idle.client.submit("Echo", 1), idle.client.submit("Sleep", 600)
    idle.client.cancel(echo.acknowledged())
    number = {name: int(handle.acknowledged()[-10:]) for name, handle in
              (("echo", echo), ("sleep", sleep))}  # fmt: skip
    assert idle.rows("/?status=CANCELLED") == [number["echo"]]
    assert idle.rows("/?status=&job_type=Sleep") == [number["sleep"]]
    assert idle.rows("/?status=CANCELLED&job_type=Sleep") == []
    assert "No job fits." in idle.read("/?status=CANCELLED&job_type=Sleep")


def test_a_rare_type_is_looked_for_among_some_jobs_at_a_time(
    idle: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCANNED", 4)
    monkeypatch.setattr(listing, "PAGE", 2)
    rare = idle.client.submit("Sleep", 600)
    idle.client.submit_many("Echo", range(5))
    idle.client.flush()
    text = idle.read("/?job_type=Sleep")
    assert "None of the 4 jobs looked at is of this type." in text
    assert idle.rows(follow(text, "Older")) == [int(rare.id[-10:])]


def test_a_listing_of_a_type_ends_where_its_page_is_full(
    idle: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SHOWN", 2)
    for number in range(3):
        idle.client.submit("Sleep", number)
        idle.client.submit("Echo", number)
    idle.client.flush()
    first = idle.rows("/?job_type=Sleep")
    rest = idle.rows(follow(idle.read("/?job_type=Sleep"), "Older"))
    assert (len(first), len(rest)) == (2, 1) and min(first) > rest[0]


def test_a_job_is_found_by_its_number_and_by_its_id(busy: Face) -> None:
    job_id = busy.client.submit("Echo", 1).acknowledged()
    for typed in (job_id, job_id[-10:].lstrip("0"), f" {job_id} "):
        answer = busy.page.get("/find", query_string={"job": typed})
        assert (answer.status_code, answer.location) == (303, f"page/jobs/{job_id}")


@pytest.mark.parametrize("typed", ["", "nobody", "999999", "1" * 40, "²", "../x"])
def test_a_job_that_is_not_there_is_told_beside_the_field(busy: Face, typed: str) -> None:
    answer = busy.page.get("/find", query_string={"job": typed})
    assert answer.status_code == 200
    assert 'aria-invalid="true" aria-describedby="e-find"' in answer.text
    assert "There is no job" in answer.text


def test_the_page_of_another_ledger_is_not_found(busy: Face) -> None:
    assert "page_token" in busy.read("/?page_token=abc-0000000007", status=404)


def test_of_many_workers_those_silent_for_longest_are_shown() -> None:
    with ExitStack() as stack:
        limits = Limits(worker_timeout=600.0)
        master = stack.enter_context(running_master(limits=limits))
        face = face_of(stack, master.address)
        for number in range(42):
            stack.enter_context(running_worker(master.address, name=f"many-{number}"))
        eventually(lambda: "and 2 more, which were heard of later than these" in face.read())
        assert face.read().count('class="alive"') == 40


# ---- without a master -----------------------------------------------------------------


def test_without_a_master_the_page_says_so_and_still_shows_the_form() -> None:
    address = f"127.0.0.1:{free_port()}"
    with closing(Gateway(address, types(), patience=0.3)) as gateway:
        page = dashboard_app(gateway, types()).test_client()
        answer = page.get("/")
        assert answer.status_code == 503
        assert "No news from the master:" in answer.text and address in answer.text
        assert "Fibonacci takes an integer from 0 to 45." in answer.text
        # An open page exchanges its banner only, and what it shows stays.
        for path in ("/", "/page/jobs/x"):
            looked = page.get(path, headers={"HX-Request": "true"})
            assert (looked.status_code, looked.headers["HX-Retarget"]) == (200, "#link")
            assert looked.headers["HX-Reselect"] == "#link" and 'id="link"' in looked.text
        assert page.get("/page/jobs/x").status_code == 503
        tried = page.post("/submit", data={"job_type": "Echo", "payload": "[1]"})
        assert "nothing happened, so you can send it again" in tried.text
        assert "[1]" in tried.text


def test_however_often_a_missing_master_is_asked_its_absence_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(Gateway(f"127.0.0.1:{free_port()}", types(), patience=0.1)) as gateway:
        for _ in range(5):
            with pytest.raises(Unavailable):
                gateway.glance()
    said = [record for record in caplog.records if "no master at" in record.getMessage()]
    assert len(said) <= 2  # once for asking, and once for submitting
