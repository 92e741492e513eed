"""Labs as a student works on them, in a real JupyterLab in a real Chromium: wrong, then right.

With ``NUCLEUS_SCREENSHOTS=FOLDER`` the verdicts and the pictures are kept there.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from nucleus.grading.release import release
from tests.jupyter_support import card, choose, keep
from tests.labs_support import ROOT
from tests.test_lab_picture import page, start_lab

__all__ = ["page", "start_lab"]  # fixtures

OUT_OF_HAND = """
def next_job(waiting):
    return waiting[0]
"""
THE_LONGEST_WAIT = """
def next_job(waiting):
    return min(waiting, key=lambda job: (job.since, job.number))
"""
AS_THE_README_SAYS = """
def next_job(waiting):
    important = max(job.priority for job in waiting)
    line = [job for job in waiting if job.priority == important]
    back = [job for job in line if job.came_back]
    if back:
        return min(back, key=lambda job: job.number)
    return min(line, key=lambda job: (job.since, job.number))
"""
IN_FRONT_BY_AGE = """
def recover(lost, waiting):
    def place(job):
        return (-job.priority, 0, job.number) if job.came_back else (-job.priority, 1, 0)

    return sorted(lost + waiting, key=place)
"""
WHOEVER_COMES_FIRST = """
def accept(job, report):
    return job.status == "RUNNING"
"""
THE_SAME_NAME = """
def accept(job, report):
    return job.status == "RUNNING" and report.worker == job.worker
"""
THE_HOLDER = """
def accept(job, report):
    holder = (job.lease, job.worker, job.incarnation)
    return (report.lease, report.worker, report.incarnation) == holder
"""


@pytest.fixture
def lab(
    request: pytest.FixtureRequest,
    start_lab: Callable[[tuple[str, ...], str], str],
    page: Page,
    tmp_path: Path,
) -> Page:
    """What students are given of the lab that the test asks for, opened in JupyterLab."""
    url = start_lab((), "JupyterLab Light")
    folder = release(ROOT / request.param, tmp_path / "notebooks")
    (notebook,) = folder.glob("*.ipynb")
    page.goto(url.replace("picture.ipynb", f"{folder.name}/{notebook.name}"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    run(page, "import nucleus")
    return page


working_on = partial(pytest.mark.parametrize, "lab", indirect=True)


def cell(page: Page, text: str) -> Locator:
    return page.locator(".jp-CodeCell", has_text=text).first


def run(page: Page, text: str) -> Locator:
    """Run the cell that has ``text``, and return what is to come of it."""
    found = cell(page, text)
    found.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    return found.locator(".jp-OutputArea")


def write(page: Page, code: str) -> None:
    """Write ``code`` over what stands in the cell of the answer, and run it."""
    entry = code.split("(")[0].strip()
    cell(page, entry).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code.strip())
    page.keyboard.press("Control+Enter")


def check(page: Page, part: str) -> Locator:
    return run(page, f'part="{part}"').locator(".nucleus-verdict")


def turn_dark(page: Page) -> None:
    """Choose the dark theme from the menus."""
    for bar, name in (
        (".lm-MenuBar-item", "Settings"),
        (".lm-Menu-item", "Theme"),
        (".lm-Menu-item", "JupyterLab Dark"),
    ):
        page.locator(bar, has=page.get_by_text(name, exact=True)).last.click()
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")


@pytest.mark.long
@working_on(argvalues=["02-queue"])
def test_a_student_finds_out_who_is_next_and_watches_a_line_in_that_order(lab: Page) -> None:
    write(lab, OUT_OF_HAND)
    verdict = check(lab, "A")
    expect(verdict).to_contain_text("Broken promise (first-in-is-first-out)")
    expect(verdict.get_by_role("img")).to_be_visible()
    keep(verdict, "queue-wrong-light")

    turn_dark(lab)
    write(lab, THE_LONGEST_WAIT)
    expect(check(lab, "A")).to_contain_text("pass, 3 of 3 points")
    verdict = check(lab, "B")
    expect(verdict).to_contain_text("Broken promise (priority-goes-first)")
    expect(verdict.get_by_role("img")).to_be_visible()
    keep(verdict, "queue-wrong-dark")

    write(lab, AS_THE_README_SAYS)
    for part, points in {"A": 3, "B": 3, "C": 2, "D": 2}.items():
        expect(check(lab, part)).to_contain_text(f"pass, {points} of {points} points")
    keep(cell(lab, 'part="D"'), "queue-right-dark")
    picture = run(lab, "live = Live(next_job)")
    expect(lab.locator(".np-worker")).to_have_count(1)
    expect(run(lab, "wanted = ")).to_contain_text(", -3]")
    keep(picture, "queue-live-dark")
    asked = re.compile("next_job was asked .* each answer made sense")
    expect(run(lab, "cluster.stop()")).to_contain_text(asked)


@pytest.mark.long
@working_on(argvalues=["04-requeue"])
def test_two_workers_crash_and_the_line_is_as_the_student_wrote_it(lab: Page) -> None:
    write(lab, IN_FRONT_BY_AGE)
    expect(check(lab, "D")).to_contain_text("pass, 2 of 2 points")
    picture = run(lab, "live = Live(recover)")
    expect(lab.locator(".np-worker")).to_have_count(3)
    ended = run(lab, "Recorder(cluster) as recorder")
    for worker in ("worker-1", "worker-2"):
        expect(card(lab, worker)).to_have_attribute("data-state", "lost")
    expect(picture).to_contain_text("goes to the front of the queue")
    keep(picture, "requeue-live-light")
    expect(ended).to_contain_text("(14, 0)")
    chart = run(lab, "gantt(history)")
    expect(chart.get_by_role("img").first).to_be_visible()
    keep(chart, "requeue-gantt-light")
    asked = re.compile("recover was asked .* each answer made sense")
    expect(run(lab, "cluster.stop()")).to_contain_text(asked)


@pytest.mark.long
@working_on(argvalues=["05-fencing"])
def test_a_student_fails_is_shown_why_repairs_it_and_watches_it_in_a_live_cluster(
    lab: Page,
) -> None:
    run(lab, "def accept")
    verdict = check(lab, "B")
    expect(verdict).to_contain_text("accept is not written yet.")
    keep(verdict, "verdict-skeleton-light")

    write(lab, WHOEVER_COMES_FIRST)
    verdict = check(lab, "B")
    expect(verdict).to_contain_text("Broken promise (only-the-current-lease-counts)")
    expect(verdict.get_by_role("img")).to_have_attribute(
        "alt", re.compile("worker-. sends result, lease .* to master.*here the promise breaks")
    )
    expect(verdict.get_by_text("1 of 3 hints")).to_be_visible()
    keep(verdict, "verdict-wrong-light")

    turn_dark(lab)
    write(lab, THE_SAME_NAME)
    verdict = check(lab, "B")
    expect(verdict.get_by_text("2 of 3 hints")).to_be_visible()
    verdict.get_by_text("2 of 3 hints").click()
    expect(verdict.get_by_text("its name is not enough")).to_be_visible()
    expect(verdict.get_by_role("img")).to_be_visible()
    keep(verdict, "verdict-wrong-dark")

    write(lab, THE_HOLDER)
    for part, points in {"A": 2, "B": 3, "C": 3, "D": 2}.items():
        expect(check(lab, part)).to_contain_text(f"pass, {points} of {points} points")
    keep(cell(lab, 'part="B"'), "verdict-right-dark")
    watch(lab)


def watch(lab: Page) -> None:
    """Run the student's code in the live cluster, and break a worker by hand as well."""
    picture = run(lab, "live = Live(accept)")
    expect(lab.locator(".np-worker")).to_have_count(2)
    ended = run(lab, "zombie = ")
    expect(ended).to_contain_text(re.compile(r"'COMPLETED', '(worker-\d)', '(?!\1)worker-\d'"))
    expect(picture).to_contain_text("goes to the front of the queue")
    keep(picture, "live-zombie-dark")
    choose(lab, "worker-1", "pause")
    expect(card(lab, "worker-1").locator(".np-fault")).to_contain_text("paused")
    expect(card(lab, "worker-1")).to_have_attribute("data-state", "lost")
    keep(picture, "live-paused-dark")
    choose(lab, "worker-1", "resume")
    expect(card(lab, "worker-1")).to_have_attribute("data-state", "alive")
    asked = re.compile("accept was asked .* each answer made sense")
    expect(run(lab, "cluster.stop()")).to_contain_text(asked)
