"""What students are given: everything but the solutions."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from nucleus.cli import main
from nucleus.core.errors import InvalidArgument, NucleusError
from nucleus.grading.code import Code
from nucleus.grading.judge import judge
from nucleus.grading.labs import LABS
from nucleus.grading.release import folders_of, release, secrets
from nucleus.grading.submissions import collect
from nucleus.grading.witness import NOT_WRITTEN
from tests.classroom_support import LAB
from tests.labs_support import FOLDERS, ROOT

FEW = 3  # schedules


def copy_of_the_lab(folder: Path) -> Path:
    shutil.copytree(ROOT / LAB, folder / LAB, ignore=shutil.ignore_patterns("right", "wrong"))
    return folder / LAB


each_lab = pytest.mark.parametrize(
    "name", [LAB, *(pytest.param(n, marks=pytest.mark.long) for n in FOLDERS if n != LAB)]
)


@each_lab
def test_the_student_version_has_all_but_the_solution(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["class", "release", name, "--to", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / name}\n"
    (source,) = (ROOT / name).glob("*.ipynb")
    released = tmp_path / name / source.name
    assert sorted(p.name for p in (tmp_path / name).iterdir()) == ["README.md", source.name]
    text = json.dumps(json.loads(released.read_text("utf-8")), ensure_ascii=False)
    assert "### BEGIN" not in text
    for line in secrets(source):
        assert json.dumps(line, ensure_ascii=False)[1:-1] not in text
    (submission,) = collect(released.parent, [LABS[name]])
    code = Code(LABS[name].entry, submission.code.encode(), "lab.py")
    for report in judge(LABS[name], code, schedules=1):
        assert report.finding is not None
        assert report.finding.name == NOT_WRITTEN


@each_lab
def test_what_is_graded_of_a_solved_notebook_passes(name: str, tmp_path: Path) -> None:
    shutil.copy(next((ROOT / name).glob("*.ipynb")), tmp_path)
    (submission,) = collect(tmp_path, LABS.values())
    assert submission.lab is LABS[name]
    code = Code(submission.lab.entry, submission.code.encode(), "lab.py")
    for report in judge(submission.lab, code, schedules=FEW):
        assert report.finding is None


def test_no_link_leads_out_of_what_a_student_is_given(tmp_path: Path) -> None:
    given = release(ROOT / LAB, tmp_path)
    readme = (given / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links
    assert all((given / link).exists() for link in links)
    assert "Before it: lesson 06 Zombies. Points: 10." in readme


def test_a_solution_that_stands_anywhere_else_stops_the_release(tmp_path: Path) -> None:
    lab = copy_of_the_lab(tmp_path / "labs")
    line = secrets(next(lab.glob("*.ipynb")))[0]
    with (lab / "README.md").open("a", encoding="utf-8") as readme:
        readme.write(f"\nDo not tell: `{line}`\n")
    with pytest.raises(NucleusError, match=r"README\.md: text of a solution is left"):
        release(lab, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_region_that_does_not_end_stops_the_release(tmp_path: Path) -> None:
    lab = copy_of_the_lab(tmp_path / "labs")
    (source,) = lab.glob("*.ipynb")
    source.write_text(source.read_text("utf-8").replace("### END SOLUTION", "###"), "utf-8")
    with pytest.raises(NucleusError, match=f"nbgrader cannot release {LAB}: .*no end solution"):
        release(lab, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_sources_are_not_overwritten(tmp_path: Path) -> None:
    lab = copy_of_the_lab(tmp_path)
    with pytest.raises(InvalidArgument, match="they would be overwritten"):
        release(lab, tmp_path)


def test_a_lab_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="'99-none' is not there; there are"):
        folders_of(ROOT, ["99-none"])
    with pytest.raises(InvalidArgument, match="has no folder of a lab"):
        folders_of(tmp_path)
    assert [path.name for path in folders_of(ROOT)] == FOLDERS
