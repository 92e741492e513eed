"""A class is graded: a mark and a page for each, whatever a neighbour does."""

import csv
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from nucleus.cli import main
from nucleus.cli.group import COMMANDS
from nucleus.grading.classroom import Mark, grade, write_marks
from nucleus.grading.feedback import feedback
from nucleus.grading.judge import Outcome, Report
from nucleus.grading.labs import LABS
from nucleus.grading.submissions import Submission, collect
from nucleus.grading.unusual import unusual
from nucleus.grading.verdict import PartVerdict, Verdict
from nucleus.history.diagram import Arrow, Diagram
from tests.classroom_support import LAB, RIGHT, WRONG, enemies, hostile
from tests.cli_support import running
from tests.labs_support import Solution, name_of, solutions
from tests.support import eventually

FEW = "10"  # schedules
HOSTILE_HERE = ("exits", "forks_by_the_back_door", "deletes")  # one of each kind, and quick
NO_TEXT = """{"cells": [{"cell_type": "code", "source": "def accept(a, b): return '\\ud800'"}]}"""
CLASS = 60
LARGEST = 300  # MiB that a child process may have held, of 1 GiB that it is allowed


def hand_in(folder: Path, solutions: dict[str, str]) -> Path:
    folder.mkdir()
    for name, source in solutions.items():
        (folder / f"{name}.py").write_text(source, "utf-8")
    return folder


def marks_in(folder: Path) -> dict[str, dict[str, str]]:
    with open(folder / "marks.csv", encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A file that is still there afterwards."""
    path = tmp_path / "precious"
    path.write_text("years of work")
    yield path
    assert path.read_text() == "years of work"


def test_a_class_gets_its_marks_and_pages_whatever_a_neighbour_does(
    tmp_path: Path, precious: Path
) -> None:
    bad = {name: enemies(precious)[name] for name in HOSTILE_HERE}
    solutions = {"ada": RIGHT, "bob": WRONG, **{name: source for name, (source, _) in bad.items()}}
    folder, to = hand_in(tmp_path / "in", solutions), tmp_path / "out"
    (folder / "eve.ipynb").write_text("no notebook")
    (folder / "zoe.ipynb").write_text(NO_TEXT)
    arguments = ["class", "grade", str(folder), "--lab", LAB, "--to", str(to), "--schedules", FEW]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "ada 05-fencing: 10 of 10 points\n" in result.stdout
    assert "2 could not be graded" in result.stdout
    marks = marks_in(to)
    assert list(marks) == sorted([*solutions, "eve", "zoe"])
    ada, bob = marks["ada"], marks["bob"]
    assert [ada[key] for key in ("points", "of", "A", "B", "C", "D", "note")] == [
        *("10", "10", "2", "3", "3", "2", "")
    ]
    assert [bob[key] for key in ("points", "A", "B", "C", "D")] == ["8", "2", "3", "3", "0"]
    assert bob["note"] == "D: results-come-from-the-holder"
    for name, (_, found) in bad.items():
        assert marks[name]["points"] == "0"
        assert f"A: {found}" in marks[name]["note"]
    assert marks["eve"]["note"].startswith("eve.ipynb is no notebook that can be read")
    assert marks["zoe"]["note"].startswith("could not be judged")
    page = (to / "students" / "bob" / f"{LAB}.html").read_text("utf-8")
    assert "<h1>Fencing: bob</h1>" in page
    assert f"The code that was judged, {LAB}.py</summary><pre>" in page
    assert "\n8  def accept(job, report):\n" in page
    assert "Part D, Strangers: fail, 0 of 2 points" in page
    assert 'src="data:image/png;base64,' in page
    assert all(hint in page for hint in LABS[LAB].parts[3].hints)
    assert "Not graded" in (to / "students" / "eve" / f"{LAB}.html").read_text("utf-8")
    assert (to / "students" / "ada" / f"{LAB}.py").read_text("utf-8") == RIGHT


def test_ctrl_c_ends_what_was_started_and_writes_no_marks(tmp_path: Path) -> None:
    waits = hostile("import select; select.select([], [], [])")
    folder = hand_in(tmp_path / "in", {"a": waits, "b": waits, "c": waits})
    command = ["nucleus", "class", "grade", str(folder), "--to", str(tmp_path / "out")]
    with running(*command, "--jobs", "2") as child:
        parent = psutil.Process(child.process.pid)
        eventually(lambda: len(_judges(parent)) == 2)
        judges = _judges(parent)
        code, _, err = child.end(signal.SIGINT)
    assert code == 130
    assert err == "interrupted: marks.csv was not written; pages of some are there\n"
    eventually(lambda: not any(judge.is_running() for judge in judges))
    assert not (tmp_path / "out" / "marks.csv").exists()


def _judges(parent: psutil.Process) -> list[psutil.Process]:
    return [c for c in parent.children() if "nucleus.grading.child" in " ".join(c.cmdline())]


def test_a_judge_ends_with_whoever_started_it(tmp_path: Path) -> None:
    waits = hostile("import select; select.select([], [], [])")
    folder = hand_in(tmp_path / "in", {"a": waits})
    command = ["nucleus", "class", "grade", str(folder), "--to", str(tmp_path / "out")]
    with running(*command) as child:
        parent = psutil.Process(child.process.pid)
        eventually(lambda: any(j.cpu_times().user > 0 and _waits(j) for j in _judges(parent)))
        judges = _judges(parent)
        child.end(signal.SIGKILL)
    eventually(lambda: not any(judge.is_running() for judge in judges))


def _waits(judge: psutil.Process) -> bool:
    """Whether it is in its cage already: it may then have no core file."""
    return judge.rlimit(psutil.RLIMIT_CORE) == (0, 0) and judge.status() == psutil.STATUS_SLEEPING


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--lab", "99-none"], "'99-none' is not there; there are"),
        (["--to", "{folder}/out"], "is among the submissions; choose another folder"),
    ],
)
def test_bad_usage_is_told_before_anything_runs(
    arguments: list[str], hint: str, tmp_path: Path
) -> None:
    folder = hand_in(tmp_path / "in", {"ada": RIGHT})
    words = [word.format(folder=folder) for word in arguments]
    result = CliRunner().invoke(main, ["class", "grade", str(folder), *words])
    assert result.exit_code == 2
    assert hint in result.stderr


@pytest.mark.parametrize(
    "arguments", [["grade", "{folder}"], ["release", LAB]], ids=["grade", "release"]
)
def test_a_place_where_nothing_can_be_written_is_told(arguments: list[str], tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", {"ada": RIGHT})
    (tmp_path / "file").touch()
    words = [word.format(folder=folder) for word in arguments]
    result = CliRunner().invoke(main, ["class", *words, "--to", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2
    assert f"cannot make {tmp_path / 'file' / 'out'}: Not a directory" in result.stderr


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import sys\nsys.modules['nucleus.grading.judge']", ["sys"]),
        ("import nucleus\nfrom nucleus.grading import judge", ["nucleus.grading"]),
        ("import nucleus\nnucleus.grading.judge.judge = print", ["nucleus.grading"]),
        (
            "accept.__globals__, (x for x in []).gi_frame.f_back",
            ["__globals__", "f_back", "gi_frame"],
        ),
        ("getattr(accept, '__code__')", ["getattr", "__code__"]),
        ("import os.path as p, json", ["os.path"]),
        ("import nucleus\nnucleus.core.ready", ["nucleus.core"]),
        ("class Evil:\n    def __eq__(self, other):\n        return True", ["__eq__"]),
        ("class A:\n    def __init__(self):\n        super().__init__()", []),
        ("def accept(:", []),
    ],
)
def test_what_a_solution_has_no_use_for_is_named(code: str, found: list[str]) -> None:
    assert unusual(code) == found


@pytest.mark.parametrize("solution", solutions("right"), ids=name_of)
def test_nothing_is_unusual_in_a_right_solution(solution: Solution) -> None:
    assert unusual(solution.path.read_text("utf-8")) == []


def test_points_that_should_not_be_believed_unread_are_marked(tmp_path: Path) -> None:
    forged = hostile(
        "judge.Judge._judge = lambda self, part, seeds: judge.Report("
        "part.name, judge.Outcome.PASS, len(seeds))\n"
        "    return (job.lease, job.status) == (report.lease, 'RUNNING')",
        "import sys\njudge = sys.modules['nucleus.grading.judge']",
    )
    folder, to = hand_in(tmp_path / "in", {"ada": RIGHT, "eve": forged}), tmp_path / "out"
    arguments = ["class", "grade", str(folder), "--to", str(to), "--schedules", FEW]
    result = CliRunner().invoke(main, arguments)
    assert "1 should be read" in result.stdout
    assert [row["unusual"] for row in marks_in(to).values()] == ["", "os, sys"]


@pytest.mark.parametrize("name", ["release", "grade"])
def test_the_commands_of_a_class_explain_themselves_with_an_example(name: str) -> None:
    result = CliRunner().invoke(main, ["class", name, "--help"], prog_name="nucleus")
    assert "class" in COMMANDS
    assert f"\n    nucleus class {name} " in result.stdout
    assert f"NUCLEUS_CLASS_{name.upper()}_TO" in "".join(result.stdout.split())


# ---- what a hostile process tells -----------------------------------------------------


def _verdict(story: Diagram) -> Verdict:
    lab = LABS[LAB]
    report = Report("A", Outcome.FAIL, 1, story=story)
    return Verdict(lab, {"A": PartVerdict(lab, lab.parts[0], report)}, "<script>alert(1)</script>")


@pytest.mark.parametrize(
    "story",
    [
        Diagram(("a",), (Arrow(0.0, float("nan"), "a", "a", "x"),), ()),
        Diagram(("a",), (Arrow(0.0, 1.0, "a", "nobody", "x"),), ()),
        Diagram(("a",), (Arrow(0.0, 1.0, "a", "a", "x"),) * 100_000, ()),
        Diagram(tuple(map(str, range(1_000))), (), ()),
        Diagram((), (), ()),
    ],
    ids=["no time", "from nowhere", "too much", "too wide", "nothing"],
)
def test_a_story_that_is_none_is_left_out(story: Diagram) -> None:
    page = feedback(_verdict(story), LAB)
    assert "Part A" in page
    assert "<img" not in page
    assert "<script>" not in page


def test_a_name_is_no_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    submission = Submission("=cmd|'/c calc'!A1", LABS[LAB], tmp_path, trouble="+1")
    write_marks([Mark(submission, trouble="+1")], tmp_path / "marks.csv")
    (row,) = marks_in(tmp_path).values()
    assert row["student"].startswith("'=")
    assert row["note"] == "'+1"


# ---- a whole class --------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.timeout(900)
def test_sixty_submissions_with_ten_hostile_ones_get_the_marks_that_each_gets_alone(
    tmp_path: Path, precious: Path
) -> None:
    bad = enemies(precious)
    assert len(bad) == 10
    solutions = {name: source for name, (source, _) in bad.items()}
    for number in range(CLASS - len(bad)):
        solutions[f"student-{number:02}"] = WRONG if number % 2 else RIGHT
    folder = hand_in(tmp_path / "in", solutions)
    heard: list[Mark] = []
    began = time.monotonic()
    marks = grade(collect(folder, [LABS[LAB]]), tmp_path / "out", heard.append, jobs=2)
    assert len(marks) == len(heard) == CLASS
    for mark in marks:
        student = mark.submission.student
        if student in bad:
            assert bad[student][1] in mark.note
            assert mark.points < mark.max_points
        else:
            assert mark.points == (8 if int(student[-2:]) % 2 else 10)
    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    took = time.monotonic() - began
    print(f"\n{CLASS} submissions on 2 processors: {took:.0f} s, the largest held {held:.0f} MiB")
    assert held < LARGEST or sys.platform != "linux"  # elsewhere it is in other units
    assert os.path.exists(tmp_path / "out" / "marks.csv")
