"""The dashboard in JupyterLab: in its launcher, and behind its proxy, in a real Chromium."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from nucleus.rpc.access import Access
from nucleus.services.dashboard.jupyter import ICON, server_process
from tests.chromium_support import running_chromium
from tests.page_support import Watchful
from tests.security_support import token_file
from tests.support import eventually, free_port, running_master, running_worker

LOGIN = {"Authorization": "token secret"}  # of JupyterLab
TOKEN = "battery-{staple}-horse"  # of the cluster; a template would trip over it


def test_what_jupyter_is_told_starts_a_dashboard_with_its_icon() -> None:
    told = server_process()
    assert told["command"][:4] == [sys.executable, "-m", "nucleus", "dashboard"]
    assert "{port}" in told["command"] and ICON.is_file()


def test_the_token_of_the_environment_is_shown_as_a_template_of_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    headers = server_process()["request_headers_override"]
    assert headers() == {}
    monkeypatch.setenv("NUCLEUS_TOKEN_FILE", token_file(tmp_path, TOKEN))
    assert headers()["Authorization"].format(port=1) == f"Bearer {TOKEN}"


@pytest.fixture(params=["", TOKEN], ids=["open", "with a token"])
def jupyter(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A JupyterLab with all that is installed, for a master with a worker."""
    token: str = request.param
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--IdentityProvider.token=secret", f"--notebook-dir={tmp_path}"]
    with (
        running_master(token=token) as master,
        running_worker(master.address, access=Access(token)),
    ):
        env = os.environ | {"NUCLEUS_MASTER": master.address, "NUCLEUS_TOKEN": token}
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: answers(f"{url}/api"))
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(url, headers=LOGIN, timeout=60).ok
    except requests.ConnectionError:
        return False


@pytest.mark.long
def test_the_page_works_from_jupyterlabs_launcher(jupyter: str) -> None:
    servers = requests.get(f"{jupyter}/server-proxy/servers-info", headers=LOGIN, timeout=60).json()
    entry = next(each for each in servers["server_processes"] if each["name"] == "nucleus")
    assert entry["launcher_entry"]["title"] == "Nucleus"
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page.goto(f"{jupyter}/lab?token=secret")
        with page.context.expect_page() as opened:
            page.locator(".jp-LauncherCard", has_text="Nucleus").click()
        dashboard = opened.value
        watchful = Watchful(dashboard)
        dashboard.wait_for_load_state()  # until then a form is sent as without a script
        dashboard.get_by_role("button", name="Submit").click()
        table = dashboard.get_by_role("table", name="Jobs, the newest first")
        expect(table.get_by_text("832040")).to_be_visible()
        table.get_by_role("link").first.click()
        dashboard.get_by_role("button", name="Retry").click()
        expect(dashboard.get_by_text("Retry of")).to_be_visible()
        assert dashboard.url.startswith(f"{jupyter}/nucleus/page/jobs/")
        assert (watchful.complaints, watchful.strangers) == ([], [])
