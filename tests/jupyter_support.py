"""What tests of a real JupyterLab do to a page, and look at on it."""

import os
from pathlib import Path

import requests
from playwright.sync_api import Locator, Page


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False


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
