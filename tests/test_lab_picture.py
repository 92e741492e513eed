"""The living picture and the panels in a real JupyterLab in a real Chromium.

With ``NUCLEUS_SCREENSHOTS=FOLDER`` the pictures that it looks at are kept there.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.chromium_support import running_chromium
from tests.support import eventually, free_port
from tests.test_lab_browser import answers

THEMES = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
CELLS = (
    "import time, nucleus\nfrom nucleus.notebook import FaultPanel, MetricsPanel, SubmitPanel"
    "\ncluster = nucleus.Cluster(workers=3)\ncluster.start()",
    "panel = SubmitPanel(cluster.client)\npanel",
    "faults = FaultPanel(cluster)\nfaults",
    "metrics = MetricsPanel(cluster)\nmetrics",
)
BUSY = "while 'frozen' not in faults.said.value:\n    time.sleep(0.1)"  # until Pause is heard


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[Callable[[tuple[str, ...], str], str]]:
    """Write a notebook, start a JupyterLab in a theme, and return the notebook's address."""
    running: list[subprocess.Popen[bytes]] = []

    def start(cells: tuple[str, ...], theme: str) -> str:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        notebook.metadata["kernelspec"] = KERNEL
        (tmp_path / "notebooks").mkdir()
        nbformat.write(notebook, tmp_path / "notebooks" / "picture.ipynb")
        settings = tmp_path / "settings" / THEMES
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps({"theme": theme, "adaptive-theme": False}))
        port = free_port()
        folders = {"SETTINGS": tmp_path / "settings", "WORKSPACES": tmp_path / "workspaces"}
        command = [
            sys.executable,
            "-m",
            "nucleus",
            "lab",
            "--notebooks",
            str(tmp_path / "notebooks"),
        ]
        options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=secret"]
        with open(tmp_path / "lab.log", "wb") as log:
            process = subprocess.Popen(
                [*command, *options],
                stdout=log,
                stderr=log,
                env=os.environ | {f"JUPYTERLAB_{k}_DIR": str(v) for k, v in folders.items()},
            )
        running.append(process)
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(f"{url}/api?token=secret"), timeout=60)
        return f"{url}/lab/tree/picture.ipynb?token=secret"

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def page() -> Iterator[Page]:
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1900})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        expect.set_options(timeout=5_000)


def open_and_run(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    run_all(page)


def run_all(page: Page) -> None:
    page.locator(".jp-Cell").last.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def keep(seen: Page | Locator, name: str) -> None:
    """Keep a screenshot, where somebody wants it."""
    if folder := os.environ.get("NUCLEUS_SCREENSHOTS"):
        path = Path(folder) / f"{name}.png"
        seen.screenshot(path=path, animations="disabled")  # whatever flies has arrived


def choose(page: Page, worker: str, action: str) -> None:
    """Choose from the menu of a worker."""
    page.get_by_label(f"Break or mend {worker}").click()
    page.locator(f".np-menu-item[data-action={action}]").click()


def card(page: Page, worker: str) -> Locator:
    return page.locator(".np-worker", has_text=worker)


@pytest.mark.long
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_student_submits_crashes_a_worker_and_sees_the_requeue_and_the_result(
    start_lab: Callable[[tuple[str, ...], str], str], page: Page, theme: str
) -> None:
    open_and_run(page, start_lab(CELLS, f"JupyterLab {theme}"))
    expect(page.locator(".np-worker")).to_have_count(3)
    panel = page.locator(".jp-OutputArea-output", has=page.locator(".widget-dropdown")).first
    panel.locator("select").select_option("Sleep")
    expect(panel.locator("input[type=text]").first).to_have_value("0.5")  # the example, offered
    panel.locator("input[type=text]").first.fill("4")
    panel.locator("input[type=number]").first.fill("7")
    panel.locator("input[type=number]").first.press("Enter")
    panel.get_by_role("button", name="Submit").click()
    expect(card(page, "worker-1").locator(".np-job")).to_have_text("4")
    choose(page, "worker-1", "crash")
    expect(card(page, "worker-1").locator(".np-fault")).to_contain_text("crashed")
    keep(page, f"lab-{theme.lower()}-crashed")
    expect(card(page, "worker-1")).to_have_attribute("data-state", "lost")
    expect(page.locator(".np-news")).to_contain_text("Sleep(4) goes to the front of the queue")
    keep(page, f"lab-{theme.lower()}-requeued")
    keep(page.locator(".jp-OutputArea-output").first, f"picture-{theme.lower()}")
    panel.get_by_text("7 of 7 jobs").wait_for()
    expect(panel.locator("table")).to_contain_text("✓ completed")
    expect(page.locator(".np-ended .np-words")).to_contain_text("7 completed")
    expect(page.get_by_text("lost at 10 s")).to_be_visible()
    keep(page, f"lab-{theme.lower()}-ended")


@pytest.mark.long
def test_buttons_answer_while_a_cell_is_running(
    start_lab: Callable[[tuple[str, ...], str], str], page: Page
) -> None:
    open_and_run(page, start_lab((*CELLS[:3], BUSY), "JupyterLab Light"))
    running = page.locator(".jp-InputArea-prompt", has_text="[*]")
    expect(page.locator(".np-worker")).to_have_count(3)
    expect(running).to_have_count(1)
    picture, panel, faults = (page.locator(".jp-OutputArea-output").nth(n) for n in range(3))
    picture.get_by_role("button", name="Submit").click()
    expect(picture).to_contain_text("was submitted")
    panel.get_by_role("button", name="Submit").click()
    expect(panel).to_contain_text("Submitted: 1.")
    expect(running).to_have_count(1)
    faults.get_by_role("button", name="Pause").click()
    expect(running).to_have_count(0)


@pytest.mark.long
def test_the_picture_twice_on_a_page_outlives_a_restart_of_the_kernel(
    start_lab: Callable[[tuple[str, ...], str], str], page: Page
) -> None:
    open_and_run(page, start_lab((CELLS[0], "cluster"), "JupyterLab Light"))
    expect(page.locator(".np-worker")).to_have_count(6)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-item[data-command='kernelmenu:restart']").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    for alert in (page.get_by_role("alert").nth(n) for n in range(2)):
        expect(alert).to_contain_text("The cluster is gone")
    keep(page, "gone")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    run_all(page)
    expect(page.locator(".np-worker")).to_have_count(6)
    expect(page.locator(".np-banner:visible")).to_have_count(0)
