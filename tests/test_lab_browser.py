"""The first lesson in a real JupyterLab in a real Chromium, as a student sees it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.chromium_support import running_chromium
from tests.jupyter_support import answers, card, choose, run_all
from tests.support import eventually, free_port

PATIENCE = 60_000  # milliseconds
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """A JupyterLab on a copy of the lessons, as ``make lab`` starts it."""
    notebooks = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks)
    port = free_port()
    command = [sys.executable, "-m", "nucleus", "lab", "--notebooks", str(notebooks)]
    options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=secret"]
    with open(tmp_path / "lab.log", "wb") as log:
        # A workspace of its own: otherwise JupyterLab opens again what it had open before.
        own = os.environ | {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces")}
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log, env=own)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{url}/api?token=secret"))
        yield f"{url}/lab/tree/00_start_here.ipynb?token=secret"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture
def page() -> Iterator[Page]:
    with running_chromium() as browser:
        yield browser.new_page(viewport={"width": 1200, "height": 1400})


def run_until(page: Page, done: Locator) -> None:
    """Press Shift+Enter, cell by cell, as the lesson says, until ``done`` is there."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    page.locator(".jp-Cell").first.click()
    while not done.count():
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(300)


@pytest.mark.long
def test_a_student_steps_through_the_first_lesson_and_submits_from_the_form(
    lab: str, page: Page
) -> None:
    page.goto(lab)
    submit = page.locator(".widget-button", has_text="Submit")  # not that of the picture
    run_until(page, submit)
    table = page.locator(".jp-OutputArea-output table")
    payload = page.locator(".widget-text input").first
    payload.fill("20")
    payload.press("Enter")
    submit.click()
    table.get_by_text("6765").first.wait_for(timeout=30_000)
    payload.fill("-1")
    payload.press("Enter")
    submit.click()
    page.get_by_text("-1 is not allowed").wait_for(timeout=10_000)
    payload.fill("21")
    payload.press("Enter")
    run_all(page)
    page.get_by_text(re.compile("re-queued: .*worker_lost")).first.wait_for(timeout=60_000)
    page.locator(".jp-OutputArea-output img").first.wait_for(timeout=30_000)


@pytest.mark.long
def test_a_student_crashes_a_worker_in_the_picture_of_the_first_lesson_and_gets_the_result(
    lab: str, page: Page
) -> None:
    page.goto(lab)
    submit = page.locator(".widget-button", has_text="Submit")
    run_until(page, submit)
    panel = page.locator(".jp-OutputArea-output", has=page.locator(".widget-dropdown")).first
    panel.locator("select").select_option("Sleep")
    payload = panel.locator("input[type=text]").first
    expect(payload).to_have_value("0.5", timeout=PATIENCE)  # the example, offered
    payload.fill("7")
    payload.press("Enter")
    submit.click()
    victim = page.locator(".np-worker", has=page.locator(".np-slots .np-job")).first
    name = victim.locator(".np-name").text_content(timeout=PATIENCE)
    assert name
    choose(page, name, "crash")
    expect(card(page, name).locator(".np-fault")).to_contain_text("crashed", timeout=PATIENCE)
    expect(card(page, name)).to_have_attribute("data-state", "lost", timeout=PATIENCE)
    news = page.locator(".np-news")
    expect(news).to_contain_text("Sleep(7) goes to the front of the queue", timeout=PATIENCE)
    expect(panel.locator("table")).to_contain_text("✓ completed", timeout=PATIENCE)
