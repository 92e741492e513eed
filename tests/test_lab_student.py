"""Lab 5 as a student works on it, in a real JupyterLab in a real Chromium: wrong, then right.

With ``NUCLEUS_SCREENSHOTS=FOLDER`` the verdicts and the pictures are kept there.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from nucleus.grading.release import release
from tests.jupyter_support import card, choose, keep
from tests.labs_support import ROOT
from tests.test_lab_picture import page, start_lab

__all__ = ["page", "start_lab"]  # fixtures

LAB = "05-fencing"
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
def lab(start_lab: Callable[[tuple[str, ...], str], str], page: Page, tmp_path: Path) -> Page:
    """What students are given of the lab, opened in JupyterLab."""
    url = start_lab((), "JupyterLab Light")
    release(ROOT / LAB, tmp_path / "notebooks")
    page.goto(url.replace("picture.ipynb", f"{LAB}/fencing.ipynb"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    run(page, "import nucleus")
    return page


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
    cell(page, "def accept").locator(".cm-content").click()
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
