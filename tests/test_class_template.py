"""The template of a lab is a complete lab: whoever copies it begins with everything green."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from nucleus.grading.code import Code
from nucleus.grading.judge import Outcome, judge
from nucleus.grading.lab import Lab
from nucleus.grading.labs import LABS
from nucleus.grading.release import release
from nucleus.history.promises import INVARIANTS
from tests import test_labs
from tests.labs_support import FOLDERS, ROOT, SOLUTION, Solution, code_of, notebook_of

TEMPLATE = ROOT / "template"


def _lab() -> Lab:
    spec = spec_from_file_location("template_lab", TEMPLATE / "lab.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    lab: Lab = module.LAB
    return lab


LAB = _lab()
IN_EVERY_LAB = (
    *(f"## {section}" for section in test_labs.SECTIONS),
    "Before it: ",
    "```python from nucleus.grading import check",
)
RIGHT = [Solution(LAB, path) for path in sorted(TEMPLATE.glob("right/*.py"))]
WRONG = [Solution(LAB, path) for path in sorted(TEMPLATE.glob("wrong/*.py"))]


def name_of(solution: Solution) -> str:
    return solution.path.stem


def test_it_passes_what_every_lab_has_to_pass() -> None:
    test_labs.test_a_readme_introduces_the_cast_and_says_how_to_check_and_how_long_it_takes(LAB)
    test_labs.test_each_part_has_points_a_promise_and_hints_that_grow(LAB)
    test_labs.test_the_notebook_follows_the_conventions_of_nbgrader(LAB)
    test_labs.test_our_solution_is_as_long_as_students_are_told(LAB)
    test_labs.test_the_notebook_has_small_cells_and_no_saved_outputs(LAB)
    test_labs.test_the_untouched_skeleton_fails_by_name(LAB)
    test_labs.test_the_solution_in_the_notebook_passes(LAB)
    assert len(RIGHT) >= 2
    assert len(WRONG) >= 5


@pytest.mark.parametrize("solution", RIGHT, ids=name_of)
def test_its_right_solutions_pass(solution: Solution) -> None:
    assert [report.outcome for report in judge(LAB, solution.code)] == [Outcome.PASS]


@pytest.mark.parametrize("solution", WRONG, ids=name_of)
def test_its_wrong_solutions_fail_for_the_reason_that_they_name_with_a_picture(
    solution: Solution,
) -> None:
    part, name = solution.reason
    (report,) = judge(LAB, solution.code, [part])
    assert report.finding is not None
    assert report.finding.name == name
    assert name not in INVARIANTS
    assert (report.story is not None) == (name == "shortest-first")


def test_it_can_be_released(tmp_path: Path) -> None:
    folder = release(TEMPLATE, tmp_path)
    (released,) = folder.glob("*.ipynb")
    assert not SOLUTION.search(released.read_text("utf-8"))
    source = code_of(notebook_of(LAB), skeleton=True)
    (report,) = judge(LAB, Code(LAB.entry, source.encode(), "lab.py"))
    assert report.outcome is Outcome.FAIL


def test_it_is_no_lab_of_the_class_itself() -> None:
    assert LAB.name not in FOLDERS


def test_the_guide_for_instructors_names_every_lab_and_what_it_takes() -> None:
    guide = (ROOT / "README.md").read_text("utf-8")
    rows = [line for line in guide.splitlines() if line.startswith("| ") and "README.md)" in line]
    assert all(any(f"[{name}]({name}/README.md)" in row for row in rows) for name in FOLDERS)
    assert all(row.rstrip("| ").endswith("h") for row in rows)


@pytest.mark.parametrize("lab", [LAB, *LABS.values()], ids=lambda lab: lab.name)
def test_students_read_the_points_that_count(lab: Lab) -> None:
    readme = (ROOT / lab.name / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z]) \|.*\| (\d+) \|$", readme, re.MULTILINE)
    headings = [
        match.groups()
        for cell in notebook_of(lab).cells
        for match in re.finditer(r"^## Part (\w): .*\((\d+) points?\)$", cell.source, re.MULTILINE)
    ]
    assert rows == headings == [(part.name, str(part.points)) for part in lab.parts]


@pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))
def test_nothing_that_students_read_is_still_the_template(lab: Lab) -> None:
    number = int(lab.name.split("-")[0])
    theirs, template = _paragraphs(lab), _paragraphs(LAB)
    assert f"# Lab {number}: {lab.title}" in theirs
    assert not [text for text in theirs & template if not text.startswith(IN_EVERY_LAB)]


def _paragraphs(lab: Lab) -> set[str]:
    """Those of the README and of the notebook, with their white space made one."""
    texts = [(ROOT / lab.name / "README.md").read_text("utf-8")]
    texts += [c.source for c in notebook_of(lab).cells if c.cell_type == "markdown"]
    return {" ".join(part.split()) for text in texts for part in text.split("\n\n")}
