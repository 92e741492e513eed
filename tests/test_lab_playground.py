"""The playground in a real JupyterLab, on a Nucleus that somebody else has started."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from nucleus.client import Client
from tests.cli_support import running
from tests.test_lab_browser import lab, page  # noqa: F401  # fixtures

UP = ["nucleus", "up", "--ports", "free", "--store", "memory", "--workers", "2", "--json"]
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The addresses of ``nucleus up``, also in the environment of what is started later."""
    with running(*UP, env={"XDG_RUNTIME_DIR": str(tmp_path)}) as child:
        about: dict[str, Any] = json.loads(child.line())
        monkeypatch.setenv("NUCLEUS_MASTER", about["master"])
        monkeypatch.setenv("NUCLEUS_SCRAPE_URL", about["scrape"])
        yield about


@pytest.mark.long
def test_jobs_are_submitted_to_a_master_that_was_there_before(
    up: dict[str, Any],
    lab: str,  # noqa: F811  # started after `up`, whose addresses it needs
    page: Page,  # noqa: F811
) -> None:
    page.goto(lab.replace("00_start_here", "playground"))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=PATIENCE)
    last = page.locator(".jp-Cell", has_text="playground.metrics").last
    last.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Above Selected Cell", exact=True).click()
    page.get_by_text("<Playground on a master that was there").wait_for(timeout=PATIENCE)
    expect(page.locator(".np-worker")).to_have_count(2, timeout=PATIENCE)
    panel = page.locator(".jp-OutputArea-output", has=page.locator(".widget-dropdown")).first
    panel.locator("input[type=text]").first.fill("23")
    panel.locator("input[type=text]").first.press("Enter")
    panel.get_by_role("button", name="Submit").click()
    expect(panel.locator("table")).to_contain_text("28657", timeout=PATIENCE)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-item[data-command='kernelmenu:restart']").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.get_by_role("alert").first.wait_for(timeout=PATIENCE)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=PATIENCE)
    with Client(up["master"]) as client:  # it does not mind that the page has left
        assert {job.status for job in client.jobs()} == {"COMPLETED"}
        assert any(re.match("28657$", str(job.result)) for job in client.jobs())
