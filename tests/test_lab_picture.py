"""The living picture and the panels in a real JupyterLab in a real Chromium.

With ``NUCLEUS_SCREENSHOTS=FOLDER`` the pictures that it looks at are kept there.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.chromium_support import running_chromium
from tests.jupyter_support import answers, card, choose, keep, run_all
from tests.support import eventually, free_port

THEMES = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"
NEWS = "notification.jupyterlab-settings"  # else it asks, in the midst of a picture
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
CELLS = (
    "import time, nucleus\nfrom nucleus.notebook import FaultPanel, MetricsPanel, SubmitPanel"
    "\ncluster = nucleus.Cluster(workers=3)\ncluster.start()",
    "panel = SubmitPanel(cluster.client)\npanel",
    "faults = FaultPanel(cluster)\nfaults",
    "metrics = MetricsPanel(cluster)\nmetrics",
)
CROWD = (
    "import nucleus\ncluster = nucleus.Cluster(workers=4, slots=2, executor='thread',"
    " dashboard=False, monitoring=False)\ncluster.start()",
    "jobs = cluster.client.submit_many('Fibonacci', [30] * 200)",
)
# When a text comes in an output after the next click: how many ms later, and how many cells run.
ANSWERED = """([output, text]) => {
  window.answered = new Promise((resolve) => {
    let clicked;
    const click = () => { clicked = performance.now(); };
    addEventListener("click", click, { capture: true, once: true });
    new MutationObserver((_, observer) => {
      if (clicked === undefined || !output.textContent.includes(text)) return;
      observer.disconnect();
      const prompts = [...document.querySelectorAll(".jp-InputArea-prompt")];
      const running = prompts.filter((prompt) => prompt.textContent.includes("*")).length;
      resolve({ ms: performance.now() - clicked, running });
    }).observe(output, { childList: true, characterData: true, subtree: true });
  });
}"""
# From now on: how often what has ended was drawn anew, what the banner said, and who was lost.
WATCH = """() => {
  const find = (selector) => document.querySelector(selector);
  window.seen = { frames: 0, banners: [], lost: [] };
  new MutationObserver(() => { seen.frames += 1; }).observe(
    find(".np-ended .np-words"), { childList: true, characterData: true, subtree: true },
  );
  new MutationObserver(() => {
    if (!find(".np-banner").hidden) seen.banners.push(find(".np-banner").textContent);
    const lost = find("[data-state=lost] .np-name");
    if (lost) seen.lost.push(lost.textContent);
  }).observe(find(".np-root"), { attributes: true, childList: true, subtree: true });
}"""
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
        (settings.parent / NEWS).write_text(json.dumps({"fetchNews": "false"}))
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
        eventually(lambda: answers(f"{url}/api?token=secret"))
        return f"{url}/lab/tree/picture.ipynb?token=secret"

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


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
    start_lab: Callable[[tuple[str, ...], str], str],
    page: Page,
    record_property: Callable[[str, object], None],
) -> None:
    open_and_run(page, start_lab((*CELLS[:3], BUSY), "JupyterLab Light"))
    running = page.locator(".jp-InputArea-prompt", has_text="[*]")
    expect(page.locator(".np-worker")).to_have_count(3)
    expect(running).to_have_count(1)
    picture, panel, faults = (page.locator(".jp-OutputArea-output").nth(n) for n in range(3))
    for output, answer in ((picture, "under way"), (panel, "Submitted: 1.")):
        page.evaluate(ANSWERED, [output.element_handle(), answer])
        output.get_by_role("button", name="Submit").click()
        answered = page.evaluate("answered")
        assert answered["running"] == 1  # the cell had not ended when the click was answered
        record_property(f"ms until {answer}", round(answered["ms"]))
    expect(picture).to_contain_text("was submitted")
    faults.get_by_role("button", name="Pause").click()
    expect(running).to_have_count(0)


@pytest.mark.long
def test_two_hundred_jobs_that_compute_in_threads_keep_the_page_alive(
    start_lab: Callable[[tuple[str, ...], str], str],
    page: Page,
    record_property: Callable[[str, object], None],
) -> None:
    page.goto(start_lab(CROWD, "JupyterLab Light"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".np-worker")).to_have_count(4)
    page.evaluate(WATCH)
    page.keyboard.press("Shift+Enter")
    ended = page.locator(".np-ended .np-words")
    expect(ended).to_contain_text(re.compile("^[1-9][0-9]* completed"))
    picture = page.locator(".jp-OutputArea-output").first
    page.evaluate(ANSWERED, [picture.element_handle(), "under way"])
    choose(page, "worker-1", "slow")
    record_property("ms until the menu answered", round(page.evaluate("answered")["ms"]))
    expect(picture).to_contain_text("worker-1 hears and says everything late")
    assert not ended.inner_text().startswith("200 completed")  # it was heard meanwhile
    choose(page, "worker-1", "heal")
    expect(ended).to_contain_text("200 completed", timeout=300_000)
    seen = page.evaluate("seen")
    record_property("frames", seen["frames"])
    assert seen["frames"] > 20
    # Never 4 s without a frame. (The banner may say that the master, which shares the lock with
    # 8 jobs, was silent for a while. On a machine with much else to do a worker may even be lost,
    # and comes back with a new session: nothing that the page could do about it.)
    assert [words for words in seen["banners"] if "kernel" in words] == []
    record_property("frames in which a worker was lost", len(seen["lost"]))


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
