"""The dashboard's page in a real Chromium, through a proxy that strips a prefix."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from nucleus import Cluster
from tests.chromium_support import running_chromium
from tests.page_support import Watchful, behind_prefix, violations
from tests.security_support import TOKEN, WRONG
from tests.support import running_worker

pytestmark = pytest.mark.long

PATIENCE = 30_000  # milliseconds: the machine may be busy
LOOKS: list[tuple[Literal["light", "dark"], int]] = [
    ("light", 1280),
    ("dark", 1280),
    ("light", 390),
    ("dark", 320),
]
WIDTHS = (1600, 1280, 1100, 1024, 941, 800, 640, 390, 320)
LONG_NAMES = ("3f2b1c0d9e8f-1", "w" * 100)  # as in a container, and as a joker gives one
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that has to behave: no complaint, and no request to another machine."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    watchful = Watchful(page)
    yield page
    page.close()
    assert (watchful.complaints, watchful.strangers) == ([], [])


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to break things in."""
    with Cluster(2, mode="processes", store=tmp_path / "jobs.db", worker_timeout=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that is used only; some of its workers have long names."""
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(2, executor="thread", name="page"))
        for name in LONG_NAMES:
            stack.enter_context(running_worker(cluster.address, name))
        yield cluster


def submit(page: Page, job_type: str, payload: str) -> None:
    chosen = page.get_by_role("region", name="Submit a job").get_by_label("Type")
    if chosen.input_value() != job_type:
        chosen.select_option(job_type)
    expect(page.locator("#h-payload")).to_contain_text(f"{job_type} takes")
    page.get_by_label("Payload").fill(payload)
    page.get_by_role("button", name="Submit").click()


def test_an_operator_walks_the_page(frail: Cluster, page: Page) -> None:
    with behind_prefix(frail.dashboard_url) as url:
        page.goto(url)
        expect(page.get_by_text("No jobs yet.")).to_be_visible()

        # Submit: a payload that is not allowed, one that is, and one that takes long.
        submit(page, "Fibonacci", "46")
        expect(page.locator("#e-payload")).to_have_text(
            "✗ 46 is not allowed; Fibonacci takes an integer from 0 to 45"
        )
        expect(page.get_by_label("Payload")).to_be_focused()
        submit(page, "Fibonacci", "20")
        expect(page.get_by_role("status").filter(has_text="is in the queue")).to_be_visible()
        table = page.get_by_role("table", name="Jobs, the newest first")
        expect(table.get_by_text("6765")).to_be_visible()
        submit(page, "Sleep", "600")
        expect(table.get_by_text("running")).to_be_visible()

        # Filter, and open a job.
        page.get_by_role("combobox", name="Status").select_option("COMPLETED")
        page.get_by_role("button", name="Filter").click()
        expect(table.get_by_text("600")).to_have_count(0)
        expect(table.get_by_role("row")).to_have_count(2)
        table.get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Job ")
        expect(page.get_by_text("Completed by worker-")).to_be_visible()

        # Cancel from the list; then retry on the job's own page.
        page.get_by_role("link", name="All jobs").click()
        table.get_by_role("row").filter(has_text="Sleep").get_by_role("button").click()
        expect(page.get_by_role("status").filter(has_text="is cancelled")).to_be_visible()
        expect(table.get_by_text("cancelled")).to_be_visible()
        page.get_by_role("link", name="Open it").click()
        expect(page.locator("main").get_by_text("Cancelled.")).to_be_visible()
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_text("Retry of")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".title").get_by_text("cancelled")).to_be_visible()

        # A worker is killed, and turns.
        page.get_by_role("link", name="Nucleus").click()
        workers = page.get_by_role("table", name="Workers")
        expect(workers.get_by_text("alive")).to_have_count(2)
        frail.kill("worker-2")
        row = workers.get_by_role("row").filter(has_text="worker-2")
        expect(row).to_contain_text("lost")
        expect(page.locator("#words")).to_have_text("1 worker is alive. Given up on: worker-2.")

        # The master goes away. The page says so, keeps what it shows, and recovers by itself.
        frail.kill_part("master")
        expect(page.get_by_role("alert")).to_contain_text("No news from the master:")
        expect(table.get_by_text("6765")).to_be_visible()
        frail.restart_part("master")
        expect(page.get_by_role("alert")).to_be_empty()
        expect(page.get_by_text("epoch 2")).to_be_visible()


def test_what_one_is_doing_survives_that_the_page_looks_again(cluster: Cluster, page: Page) -> None:
    jobs = cluster.client.submit_many("Echo", range(3))
    for job in jobs:
        job.result()
    page.goto(cluster.dashboard_url)
    page.get_by_label("Payload").fill("[1, 2")
    table = page.get_by_role("table", name="Jobs")
    link = table.get_by_role("link").first
    link.focus()
    link.evaluate("node => { window.kept = node; getSelection().selectAllChildren(node); }")
    cluster.client.submit("Echo", "later").result()
    expect(table.get_by_text('"later"').last).to_be_visible()
    assert page.evaluate("document.activeElement === window.kept && window.kept.isConnected")
    assert page.evaluate("String(getSelection())") == page.evaluate("window.kept.textContent")
    expect(page.get_by_label("Payload")).to_have_value("[1, 2")


def test_a_paused_page_stands_still_and_says_so(cluster: Cluster, page: Page) -> None:
    page.goto(cluster.dashboard_url)
    pause = page.get_by_role("button", name="Pause updates")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    job = cluster.client.submit("Echo", "unseen")
    job.result()
    page.wait_for_timeout(4_500)  # two looks, if it took any
    assert asked == []
    pause.click()
    expect(page.get_by_role("table", name="Jobs").get_by_text('"unseen"').last).to_be_visible()


def test_the_keyboard_alone_submits_a_job(cluster: Cluster, page: Page) -> None:
    page.goto(cluster.dashboard_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "f-payload":
            break
    page.keyboard.press("Control+a")
    page.keyboard.type("12")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Jobs").get_by_text("144")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_name_of_a_worker_stays_in_its_panel(
    cluster: Cluster, page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(cluster.dashboard_url)
    table = page.get_by_role("table", name="Workers")
    usual, _ = (table.get_by_title(name, exact=True) for name in LONG_NAMES)
    expect(usual).to_have_text(LONG_NAMES[0])
    assert usual.evaluate("name => name.scrollHeight <= name.clientHeight"), "it is cut off"
    inside, panel = (
        table.evaluate(f"table => {place}.getBoundingClientRect().right")
        for place in ("table", "table.closest('.panel')")
    )
    assert inside < panel
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of the page go."""
    return Path(os.environ.get("NUCLEUS_SCREENSHOTS", tmp_path))


@pytest.fixture
def loud(browser: Browser) -> Iterator[Page]:
    """A page that may complain: of an answer that is an error, and of the styles that axe adds."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


def look_over(page: Page, picture: Path) -> None:
    """In every look axe finds no violation, nothing is cut off, and a picture is taken."""
    for scheme, width in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        file = picture.with_name(f"{picture.name}-{scheme}-{width}.png")
        page.screenshot(path=file, full_page=True)
        assert violations(page) == [], file.name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, file.name


def test_axe_finds_no_violation_and_nothing_is_cut_off(
    cluster: Cluster, loud: Page, pictures: Path
) -> None:
    client = cluster.client
    failed = client.submit("Flaky", {"p": 1}, max_attempts=1)
    assert failed.exception() is not None
    client.cancel(client.submit("Sleep", 600, delay=600).acknowledged())
    pages = {"all": "", "empty": "?status=RUNNING", "not-found": "find?job=999999"}
    pages |= {"job": f"page/jobs/{failed.id}", "problem": "page/jobs/x"}
    for name, path in pages.items():
        loud.goto(f"{cluster.dashboard_url}/{path}")
        look_over(loud, pictures / name)


def test_axe_finds_no_violation_where_something_is_wrong(
    frail: Cluster, loud: Page, pictures: Path
) -> None:
    loud.goto(frail.dashboard_url)
    expect(loud.get_by_text("No jobs yet.")).to_be_visible()
    look_over(loud, pictures / "no-jobs")
    submit(loud, "Fibonacci", "46")
    expect(loud.locator("#e-payload")).to_contain_text("46 is not allowed")
    look_over(loud, pictures / "form-error")
    frail.kill("worker-2")
    row = loud.get_by_role("table", name="Workers").get_by_role("row").filter(has_text="worker-2")
    expect(row).to_contain_text("lost")
    look_over(loud, pictures / "lost-worker")
    frail.kill_part("master")
    expect(loud.get_by_role("alert")).to_contain_text("No news from the master:")
    look_over(loud, pictures / "master-down")


def test_axe_finds_no_violation_where_one_logs_in(loud: Page, pictures: Path) -> None:
    with Cluster(0, name="login", token=TOKEN) as cluster:
        loud.goto(cluster.dashboard_url)
        look_over(loud, pictures / "login")
        loud.get_by_label("Token").fill(WRONG)
        loud.get_by_role("button", name="Log in").click()
        expect(loud.get_by_role("alert")).to_be_visible()
        look_over(loud, pictures / "wrong-token")
