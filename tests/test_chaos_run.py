"""``nucleus chaos``: a real cluster is broken and judged; what it records would convict a liar."""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from nucleus.cli.chaos import chaos
from nucleus.cluster import leftovers
from nucleus.cluster.chaos import FAULTS, Chaos, ChaosCluster, Planned, Progress
from nucleus.cluster.chaos.cluster import ChaosMaker
from nucleus.cluster.parts import Part
from nucleus.cluster.ports import Ports
from nucleus.core.events import JobCompleted
from nucleus.core.news import Acknowledged
from nucleus.history import History
from nucleus.history.checker import Verdict, check
from nucleus.history.observations import Committed, Fault, Told
from tests.cli_support import Child, run, running
from tests.support import eventually, wait_for_output

ALWAYS_SHOWN = {  # what even a short run puts to the test
    "acknowledged-is-kept",
    "every-job-ends",
    "every-handle-hears-one-end",
    "clients-hear-the-truth",
    "jobs-are-as-asked",
    "moves-are-legal",
    "only-the-current-lease-counts",
    "numbers-increase",
    "one-master-commits",
    "first-in-is-first-out",
    "one-job-for-one-submit",
    "one-job-for-one-key",
    "counts-are-true",
    "totals-are-true",
    "rows-tell-the-same",
    "nothing-unexpected",
    "leases-leave-after-the-commit",
    "results-come-from-the-holder",
    "no-more-than-the-credit",
}


@contextmanager
def own_places(folder: Path) -> Iterator[dict[str, str]]:
    """Temporary files and records of a run of this test's own; nothing may be left of either."""
    places = {"TMPDIR": folder / "tmp", "XDG_RUNTIME_DIR": folder / "run"}
    for place in places.values():
        place.mkdir()
    yield {name: str(place) for name, place in places.items()}
    assert list(places["TMPDIR"].iterdir()) == []
    assert list(places["XDG_RUNTIME_DIR"].rglob("*.json")) == []


def run_chaos(*options: str, env: dict[str, str], patience: float) -> tuple[int, str, str]:
    """Run it to its end, for at most ``patience`` seconds; exit code, stdout and stderr."""
    with running("nucleus", "chaos", "--json", *options, env=env) as child:
        out, err = child.process.communicate(timeout=patience)
        return child.process.returncode, out, err


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], History]:
    """Twelve seconds of everything: what the command said, and the history that it saved."""
    folder = tmp_path_factory.mktemp("chaos")
    file = folder / "history.jsonl.gz"
    before = set(psutil.Process().children(recursive=True))
    with own_places(folder) as places:
        options = ["--minutes", "0.2", "--seed", "7", "--rate", "30", "--save", str(file)]
        code, out, err = run_chaos(*options, env=places, patience=110)
    assert code == 0, f"{out}\n{err}"
    assert set(psutil.Process().children(recursive=True)) <= before
    return json.loads(out), History.load(file)


def test_under_all_faults_nothing_is_lost_and_nothing_done_twice(
    short_run: tuple[dict[str, Any], History],
) -> None:
    report, _ = short_run
    jobs = report["jobs"]
    assert report["ok"] and report["broken"] == []
    assert jobs["acknowledged"] > 100
    assert jobs["lost"] == jobs["duplicated"] == jobs["unexpected"] == 0
    assert {row["how"] for row in report["faults"]} == set(FAULTS)
    shown = {rule["name"] for rule in report["invariants"] if rule["outcome"] == "pass"}
    assert shown >= ALWAYS_SHOWN


def test_a_saved_history_is_judged_the_same(short_run: tuple[dict[str, Any], History]) -> None:
    report, history = short_run
    assert [list(map(str, rule.values())) for rule in report["invariants"]] == [
        list(row) for row in check(history).table()
    ]


# ---- the judge has teeth --------------------------------------------------------------


def forget_a_job(history: History) -> None:
    """Tell a client of a job that is not there."""
    place, told = next(
        (place, seen)
        for place, seen in enumerate(history.observations)
        if isinstance(seen, Told) and isinstance(seen.news, Acknowledged)
    )
    assert isinstance(told.news, Acknowledged)
    gone = replace(told.news, job_id=told.news.job_id[:-10] + "9999999999")
    history.observations[place] = replace(told, news=gone)


def accept_a_result_twice(history: History) -> None:
    """Complete a job once more, at the end."""
    events = list(history.events())
    last = events[-1]
    done = next(seen.event for seen in events if isinstance(seen.event, JobCompleted))
    history.add(Committed(last.at, replace(done, seq=last.event.seq + 1, at=last.at), last.epoch))


def change_a_result(history: History) -> None:
    """Let the master have another result than the client heard of."""
    place, seen = next(
        (place, seen)
        for place, seen in enumerate(history.observations)
        if isinstance(seen, Committed) and isinstance(seen.event, JobCompleted)
        if seen.event.client_seq
    )
    assert isinstance(seen.event, JobCompleted)
    history.observations[place] = replace(seen, event=replace(seen.event, result='"forged"'))


def let_the_dead_commit(history: History) -> None:
    """Let the first master commit the last event."""
    last = [p for p, seen in enumerate(history.observations) if isinstance(seen, Committed)][-1]
    seen = history.observations[last]
    assert isinstance(seen, Committed)
    history.observations[last] = replace(seen, epoch=1)


@pytest.mark.parametrize(
    ("forgery", "invariant"),
    [
        (forget_a_job, "acknowledged-is-kept"),
        (accept_a_result_twice, "moves-are-legal"),
        (change_a_result, "clients-hear-the-truth"),
        (let_the_dead_commit, "one-master-commits"),
    ],
)
def test_a_history_that_was_tampered_with_is_convicted(
    short_run: tuple[dict[str, Any], History],
    forgery: Callable[[History], None],
    invariant: str,
) -> None:
    _, history = short_run
    forged = replace(history, observations=history.observations.copy())
    forgery(forged)
    verdict = check(forged)
    assert invariant in {result.invariant.name for result in verdict.broken}
    assert f"is broken ({invariant})" in verdict.text()


def test_a_broken_promise_is_told_in_words_and_saved(
    short_run: tuple[dict[str, Any], History], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, history = short_run
    forged = replace(history, observations=history.observations.copy())
    forget_a_job(forged)
    monkeypatch.setattr("nucleus.cli.chaos._run", lambda *options: forged)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(chaos, ["--seed", "7"])
    assert done.exit_code == 1
    assert "a promise was broken" in done.output
    assert "Promise 1 is broken (acknowledged-is-kept): Every job whose submit was" in done.output
    assert "is told Acknowledged" in done.output  # the story
    assert "the history is in chaos-7.jsonl.gz" in done.output
    assert "judge it again: nucleus sim --replay chaos-7.jsonl.gz" in done.output
    assert re.search(r"^ *recovered +\d+", done.output, re.MULTILINE)
    assert "acknowledged ──" in done.output  # the diagram
    assert not check(History.load(tmp_path / "chaos-7.jsonl.gz")).ok


class HastyMaker(ChaosMaker):
    """Makes masters that answer before what they say is durable."""

    def master(self, ports: Ports, *, take_over: bool) -> Part:
        options = ["--port", str(ports.master), "--store", self._settings.store]
        return self.part("master", "tests.chaos_hasty_master", options)


class HastyCluster(ChaosCluster):
    """A cluster with such a master."""

    @property
    def _maker(self) -> HastyMaker:
        return HastyMaker(self._settings, self._folder, self.diaries)


def judge(kind: type[ChaosCluster], folder: Path) -> Verdict:
    """Kill the master of a cluster a few times under load; return the verdict."""
    plan = [Planned(at, 0.1, "crash", "master") for at in (1.0, 3.5, 6.0)]
    chaos = Chaos(kind(2, folder), plan, seconds=8.0, seed=1, rate=20.0, patience=10.0)
    return check(chaos.run(lambda progress: None))


@pytest.mark.long
def test_a_master_that_answers_before_it_commits_is_caught(tmp_path: Path) -> None:
    verdict = judge(HastyCluster, tmp_path)
    broken = {result.invariant.promise for result in verdict.broken}
    assert 1 in broken, verdict.text()


@pytest.mark.long
def test_the_real_master_is_not_accused(tmp_path: Path) -> None:
    verdict = judge(ChaosCluster, tmp_path)
    assert verdict.ok, verdict.text()
    assert Counter(type(seen) for seen in verdict.history.observations)[Fault] == 3


@pytest.mark.long
def test_two_minutes_of_chaos_break_no_promise(tmp_path: Path) -> None:
    with own_places(tmp_path) as places:
        options = ["--minutes", "2", "--save", str(tmp_path / "history.jsonl.gz")]
        code, out, err = run_chaos(*options, env=places, patience=300)
    assert code == 0, f"{out}\n{err}"
    report = json.loads(out)
    assert report["jobs"]["late results refused"] and report["jobs"]["workers lost"]
    passed = {rule["promise"] for rule in report["invariants"] if rule["outcome"] == "pass"}
    assert passed == set(range(1, 12))


# ---- interrupted ----------------------------------------------------------------------


def family(child: Child) -> list[psutil.Process]:
    return psutil.Process(child.process.pid).children(recursive=True)


def frozen(child: Child) -> bool:
    stopped = False
    for each in family(child):
        with suppress(psutil.NoSuchProcess):  # chaos has just killed it
            stopped |= each.status() == psutil.STATUS_STOPPED
    return stopped


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_ctrl_c_ends_it_at_once_and_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    with own_places(tmp_path) as places:
        options = ["--minutes", "5", "--seed", "1", "--faults", "freeze,partition"]
        with running("nucleus", "chaos", *options, env=places) as child:
            wait_for_output(child.process, "breaking")
            eventually(lambda: frozen(child))
            parts = family(child)
            code, _, err = child.end(number)
        assert (code, err) == (130, "")
        assert not [process for process in parts if runs(process)]


@pytest.mark.long
def test_what_a_killed_run_leaves_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    options = ["--minutes", "5", "--seed", "1", "--faults", "freeze"]
    with running("nucleus", "chaos", *options, env=places) as child:
        wait_for_output(child.process, "breaking")
        eventually(lambda: frozen(child))
        parts = family(child)
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
        leftovers.end(leftovers.find())
        eventually(lambda: not [process for process in parts if runs(process)])


# ---- the command line -----------------------------------------------------------------


def test_a_fault_that_is_not_known_is_named() -> None:
    code, _, err = run("nucleus", "chaos", "--faults", "crash,tickle")
    assert code == 2
    assert "'tickle' is not allowed; all, or some of crash, freeze" in err


def test_progress_counts_what_is_on_its_way() -> None:
    progress = Progress("breaking", 10.0, Counter(), acknowledged=10, ended=7)
    assert progress.open == 3
