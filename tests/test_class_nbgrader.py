"""The labs go through nbgrader, as on a JupyterHub: released, graded, marks and feedback."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.classroom_support import LAB, RIGHT, WRONG, hostile
from tests.labs_support import ROOT

CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "queues"
c.ExecutePreprocessor.timeout = 120
"""
OWN_CHECK = """
class Verdict:
    passed = True


def check(*what, **options):
    return Verdict()


def accept(job, report):
    return True
"""
STUDENTS = {"ada": RIGHT, "bob": WRONG, "eve": hostile("os._exit(0)"), "mallory": OWN_CHECK}
BIN = Path(sys.executable).parent


def nbgrader(course: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},  # for alembic
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stderr


def write_solution(released: Path, to: Path, source: str) -> None:
    """Hand in the released notebook with ``source`` where the solution goes."""
    notebook: Any = nbformat.read(released, as_version=4)
    (cell,) = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]
    cell.source = source
    to.mkdir(parents=True)
    nbformat.write(notebook, to / released.name)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nbgrader_releases_grades_and_gives_feedback(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (notebook,) = (ROOT / LAB).glob("*.ipynb")
    source = tmp_path / "source" / LAB
    source.mkdir(parents=True)
    shutil.copy(notebook, source)
    nbgrader(tmp_path, "generate_assignment", LAB)
    released = tmp_path / "release" / LAB / notebook.name
    assert "### BEGIN" not in released.read_text("utf-8")
    for student, code in STUDENTS.items():
        write_solution(released, tmp_path / "submitted" / student / LAB, code)
    nbgrader(tmp_path, "autograde", LAB)
    nbgrader(tmp_path, "generate_feedback", LAB)
    nbgrader(tmp_path, "export", "--to", "marks.csv")
    with open(tmp_path / "marks.csv", encoding="utf-8", newline="") as file:
        marks = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert marks == {"ada": 10, "bob": 8, "eve": 0, "mallory": 2}
    for student, said in (("ada", "pass, 3 of 3"), ("bob", "Strangers: fail"), ("eve", "died")):
        page = tmp_path / "feedback" / student / LAB / f"{notebook.stem}.html"
        text = page.read_text("utf-8")
        assert said in text
        assert "NotPassed" not in text, "there is a stack trace"
