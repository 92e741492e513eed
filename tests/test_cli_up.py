"""``nucleus up`` and ``nucleus clean``: all parts as child processes of one command."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from click.testing import CliRunner

from nucleus.cli import lab, main
from nucleus.cli.up import Everything
from nucleus.client import Client
from nucleus.cluster import Cluster, leftovers
from nucleus.services.common.main import Ending
from tests.cli_support import Child, running
from tests.support import eventually

UP = ["nucleus", "up", "--ports", "free", "--store", "memory", "--workers", "1"]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def up() -> Iterator[tuple[Child, dict[str, Any], list[psutil.Process]]]:
    """The command, the addresses that it printed, and its parts."""
    with running(*UP, "--json") as child:
        about = json.loads(child.line())
        yield child, about, [psutil.Process(pid) for pid in about["pids"].values()]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def test_up_says_where_everything_is_and_stops_all_of_it(
    up: tuple[Child, dict[str, Any], list[psutil.Process]],
) -> None:
    child, about, parts = up
    assert set(about["pids"]) == {"monitoring", "master", "dashboard", "worker-1"}
    assert requests.get(f"{about['dashboard']}/healthz", timeout=60).ok
    assert requests.get(about["scrape"], timeout=60).ok
    with Client(about["master"]) as client:
        assert client.submit("Fibonacci", 10).result(60) == 55
    code, out, log = child.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    assert "Traceback" not in log
    assert gone(parts)
    assert leftovers.find() == []


def test_up_tells_of_a_part_that_died_and_ends_with_the_last(
    up: tuple[Child, dict[str, Any], list[psutil.Process]],
) -> None:
    child, _, parts = up
    for part in parts:
        part.kill()
    code, _, err = child.end()
    assert code == 1
    assert "worker-1 (process " in err
    assert err.rstrip().splitlines()[-1] == "Error: up stops: every part has ended"


def test_nothing_outlives_a_killed_up_and_clean_clears_its_record(
    up: tuple[Child, dict[str, Any], list[psutil.Process]],
) -> None:
    child, _, parts = up
    frozen = parts[-1]
    frozen.suspend()  # it cannot notice that its owner is gone
    child.process.kill()
    child.process.wait()
    eventually(lambda: gone(parts[:-1]))
    assert not gone([frozen])
    cleaned = json.loads(CliRunner().invoke(main, ["clean", "--json"]).stdout)
    assert list(cleaned["ended"].values()) == [["worker-1"]]
    eventually(lambda: gone([frozen]))
    assert CliRunner().invoke(main, ["clean"]).stdout == "nothing to clean\n"


def test_a_person_sees_the_addresses_as_a_table() -> None:
    cluster = Cluster(2, name="table", executor="thread")
    everything = Everything(cluster, "memory", Ending(), as_json=False)
    everything.start()
    table = everything.ready_line()
    addresses = everything.addresses().values()
    everything.stop()
    assert all(address in table for address in addresses)
    assert re.search(r"^workers +worker-1, worker-2", table, re.MULTILINE)
    assert table.endswith("Ready. Ctrl-C stops everything.\n")


# nucleus lab


def test_lab_starts_jupyterlab_at_the_first_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last step is not taken: it would end the process that runs the tests."""
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    monkeypatch.setattr(lab, "find_spec", lambda name: object())
    options = ["lab", "--notebooks", str(tmp_path), "--no-browser"]
    CliRunner().invoke(main, options)
    (tmp_path / lab.FIRST).touch()
    CliRunner().invoke(main, options)
    first = f"--LabApp.default_url=/lab/tree/{lab.FIRST}"
    for command in started:
        assert command[:3] == [sys.executable, "-m", "jupyterlab"]
        assert command[-2:] == ["--no-browser", str(tmp_path)]
    assert [first in command for command in started] == [False, True]


def test_lab_without_jupyterlab_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["lab"])
    assert result.exit_code == 1
    assert "pip install 'nucleus[lab]'" in result.stderr
