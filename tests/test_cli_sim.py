"""``nucleus sim``: what it prints, what it saves, how it is stopped."""

import json
import re
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from nucleus.cli import main
from nucleus.core.ready import ReadyQueue
from nucleus.core.rules import OURS
from nucleus.history import History
from nucleus.history.observations import Raised
from nucleus.sim import simulate
from nucleus.sim.plan import make_plan
from tests.cli_support import running
from tests.support import eventually

OUR_OWN = replace(OURS, queue=partial(ReadyQueue))


def sim(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sim", "--jobs", "1", *arguments])


def test_a_green_run_says_what_was_exercised() -> None:
    result = sim("--seeds", "3", "--faults", "lost-request")
    assert result.exit_code == 0
    for row in (r"lost-request +\d+ ", r"job completed +[\d,]+"):
        assert re.search(row, result.stdout)
    assert "simulated events/s" in result.stdout
    assert "every promise was kept" in result.stdout
    head = "attempted acknowledged refused lost unexpected duplicated recovered"
    assert re.search(" +".join(["submits", *head.split()]), result.stdout)


def test_a_fault_that_never_fired_is_shown_in_words() -> None:
    result = sim("--seeds", "1", "--first", "2", "--faults", "stray-report,master-clock")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines() if "master-clock" in line] == [
        "never"
    ]


def test_a_program_is_told_the_same() -> None:
    told: Any = json.loads(sim("--seeds", "2", "--faults", "partition", "--json").stdout)
    assert (told["seeds"], told["ok"], told["broken"]) == (2, True, {})
    assert set(told["faults"]) == {"partition"}
    assert told["outcomes"]["job completed"] > 0
    assert "innocents-are-not-charged" in told["cases"]
    account = told["account"]
    assert account["attempted"] >= account["acknowledged"] > 0
    assert (account["lost"], account["unexpected"], account["duplicated"]) == (0, 0, 0)


def test_a_broken_promise_is_shrunk_shown_and_saved_to_be_run_again(tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    result = sim("--mutant", "no-lease-check", "--save", str(file))
    assert result.exit_code == 1
    assert "results-come-from-the-holder" in result.stdout
    assert "entries of its plan are enough" in result.stdout
    assert f"nucleus sim --replay {file}" in result.stdout
    saved = History.load(file)
    assert saved.mutant == "no-lease-check"
    assert saved.kept is not None and len(saved.kept) < 10
    again = sim("--replay", str(file))
    assert again.exit_code == 1
    assert "the same story" in again.stdout
    assert "Promise 2 is broken" in again.stdout


def test_what_was_broken_and_is_mended_replays_green(tmp_path: Path) -> None:
    file = tmp_path / "mended.jsonl"
    history = simulate(3, faults=frozenset()).history
    history.observations.pop()
    history.save(file)
    result = sim("--replay", str(file))
    assert result.exit_code == 0
    assert "another story: the code has changed since" in result.stdout


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"mutant": "a-mutant-of-tomorrow"}, "mutant 'a-mutant-of-tomorrow' is not known here"),
        ({"settings": {"faults": ["rain"]}}, r"faults \['rain'\] are not known here"),
    ],
)
def test_what_cannot_be_run_here_is_refused_by_name(
    changes: dict[str, Any], hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "of-tomorrow.jsonl"
    replace(simulate(3, faults=frozenset()).history, **changes).save(file)
    result = sim("--replay", str(file))
    assert result.exit_code == 2
    assert re.search(hint, " ".join(result.stderr.split()))


@pytest.mark.parametrize(
    "own",
    [{"plan": make_plan(4, frozenset())}, {"rules": OUR_OWN}],
)
def test_what_a_seed_alone_does_not_tell_is_judged_and_not_run_again(
    own: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "lab.jsonl"
    history = simulate(3, **own).history
    history.observations.append(Raised(history.observations[-1].at, "lab", "a mistake"))
    history.save(file)
    result = sim("--replay", str(file))
    assert result.exit_code == 1
    assert "was run by a plan or rules of its own: it is judged, not run again" in result.stdout
    assert "lab raised a mistake" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--faults", "rain"], "'rain' is not allowed"),
        (["--mutant", "nobody"], "'nobody' is not allowed; one of "),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_are_known(
    arguments: list[str], hint: str
) -> None:
    result = sim(*arguments)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_many_workers_are_held_against_theory() -> None:
    result = sim("--workers", "20", "--submits", "2000")
    assert result.exit_code == 0
    assert "Erlang C" in result.stdout
    assert "20 workers did 2,000 jobs" in result.stdout


def test_ctrl_c_ends_all_processes_at_once() -> None:
    with running("nucleus", "sim", "--seeds", "1000000", "--jobs", "2") as child:
        process = psutil.Process(child.process.pid)

        def workers() -> list[psutil.Process]:
            return process.children(recursive=True)

        eventually(lambda: len(workers()) >= 2)
        started = workers()
        code, _, err = child.end(signal.SIGINT)
        assert (code, err) == (130, "")
        eventually(lambda: not any(worker.is_running() for worker in started))
