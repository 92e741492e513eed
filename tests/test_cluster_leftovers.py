"""Runs on record: what an interrupted one left is ended, and nothing else ever is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from nucleus.cluster import leftovers
from nucleus.core.errors import NucleusError
from tests.support import eventually

# Programs that go on until somebody ends them, or for a minute should a test fail to.
SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(600)"
)
# Records a child of its own as a part, says its id, and dies without a word.
OWNER = f"""
import os, subprocess, sys
from nucleus.cluster import leftovers
part = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], stdout=subprocess.DEVNULL)
leftovers.record("interrupted", {{"worker-1": part.pid}})
print(part.pid, flush=True)
os.kill(os.getpid(), 9)
"""

Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start Python programs; end them with the test."""
    with ExitStack() as stack:

        def start(program: str = SLEEP) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


def orphaned(run: leftovers.Run) -> leftovers.Run:
    """The same run, as if its owner had died: nobody was ever created at that time."""
    return replace(run, owner=replace(run.owner, created=0.0))


def the_run() -> leftovers.Run:
    [run] = leftovers.find()
    return run


def test_a_run_is_on_record_until_it_is_forgotten(spawn: Spawn) -> None:
    part = spawn()
    leftovers.record("mine", {"master": part.pid})
    run = the_run()
    assert (run.name, run.owner.pid, run.interrupted) == ("mine", os.getpid(), False)
    assert [process.pid for process in run.running().values()] == [part.pid]
    leftovers.forget("mine")
    leftovers.forget("mine")
    assert leftovers.find() == []


def test_a_newer_record_takes_the_place_of_the_older(spawn: Spawn) -> None:
    leftovers.record("mine", {"a": spawn().pid})
    leftovers.record("mine", {"b": spawn().pid})
    assert list(the_run().parts) == ["b"]


def test_a_run_that_goes_on_is_left_alone_except_on_request(spawn: Spawn) -> None:
    part = spawn()
    leftovers.record("mine", {"master": part.pid})
    assert leftovers.end(leftovers.find()) == {}
    assert part.poll() is None
    assert leftovers.end(leftovers.find(), all=True) == {"mine": ["master"]}
    assert part.wait(60) == -signal.SIGTERM
    assert leftovers.find() == []


def test_what_a_killed_owner_left_is_ended() -> None:
    owner = subprocess.run(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, check=False
    )
    assert owner.returncode == -signal.SIGKILL
    part = psutil.Process(int(owner.stdout))
    assert the_run().interrupted
    assert leftovers.end(leftovers.find()) == {"interrupted": ["worker-1"]}
    eventually(lambda: not part.is_running() or part.status() == psutil.STATUS_ZOMBIE)
    assert leftovers.find() == []


def test_a_process_that_was_given_a_dead_ones_id_is_never_ended(spawn: Spawn) -> None:
    bystander = spawn()
    leftovers.record("mine", {"master": bystander.pid})
    run = orphaned(the_run())
    earlier = replace(run.parts["master"], created=run.parts["master"].created - 60)
    assert leftovers.end([replace(run, parts={"master": earlier})]) == {"mine": []}
    assert bystander.poll() is None


def test_an_owner_whose_id_was_given_away_counts_as_gone() -> None:
    leftovers.record("mine", {})
    assert orphaned(the_run()).interrupted


def test_a_frozen_process_is_ended_too(spawn: Spawn) -> None:
    part = spawn()
    part.send_signal(signal.SIGSTOP)
    leftovers.record("mine", {"worker-1": part.pid})
    leftovers.end([orphaned(the_run())])
    assert part.wait(60) == -signal.SIGTERM


def test_a_process_that_does_not_listen_is_killed(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "TERM_TIMEOUT", 0.1)
    part = spawn(STUBBORN)
    assert part.stdout is not None
    part.stdout.readline()
    leftovers.record("mine", {"worker-1": part.pid})
    leftovers.end([orphaned(the_run())])
    assert part.wait(60) == -signal.SIGKILL


def test_the_records_are_this_users_alone(runtime: Path) -> None:
    leftovers.record("../a name/with anything", {})
    assert leftovers.folder().parent == runtime
    assert leftovers.folder().stat().st_mode & 0o777 == 0o700
    assert [file.parent for file in runtime.rglob("*.json")] == [leftovers.folder()]
    assert the_run().name == "../a name/with anything"


def test_a_folder_that_others_could_write_to_is_refused() -> None:
    leftovers.folder().chmod(0o777)
    with pytest.raises(NucleusError, match="not a folder of this user alone"):
        leftovers.find()


def test_a_runtime_folder_that_is_gone_is_replaced_by_the_temp_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert leftovers.folder().parent == tmp_path


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"name": "x", "owner": 1})])
def test_a_file_that_is_no_record_is_left_alone(text: str) -> None:
    file = leftovers.folder() / "1-x.json"
    file.write_text(text)
    assert leftovers.find() == []
    assert leftovers.end(leftovers.find()) == {}
    assert file.exists()
