"""Every graded lab is complete, and its judge can tell right from wrong.

A new folder under ``labs`` is tested without a line here: it needs a README, a source notebook
for nbgrader, known-right and known-wrong solutions, and its lab in ``nucleus.grading.labs``.
"""

import re

import pytest

from nucleus.grading.code import Code
from nucleus.grading.judge import Outcome, judge
from nucleus.grading.lab import Lab
from nucleus.grading.labs import LABS
from nucleus.grading.witness import NOT_WRITTEN, PROMISES
from nucleus.history.promises import INVARIANTS
from tests.labs_support import (
    FOLDERS,
    HIDDEN,
    ROOT,
    SOLUTION,
    Solution,
    code_of,
    name_of,
    notebook_of,
    solutions,
)

FEW = 15  # schedules: enough to catch every known-wrong solution
FEWER = 3  # and to see a right one pass, in each of its parts
SECTIONS = ["The cast", "What to write", "Check your work", "How long"]

labs = pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))
right = pytest.mark.parametrize("solution", solutions("right"), ids=name_of)
wrong = pytest.mark.parametrize("solution", solutions("wrong"), ids=name_of)


# ---- complete -------------------------------------------------------------------------


def test_every_folder_has_its_lab_and_every_lab_its_folder() -> None:
    assert list(LABS) == FOLDERS


@labs
def test_a_readme_introduces_the_cast_and_says_how_to_check_and_how_long_it_takes(
    lab: Lab,
) -> None:
    text = (ROOT / lab.name / "README.md").read_text("utf-8")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [section for section in headings if section in SECTIONS] == SECTIONS
    assert ("Live" in headings) == (lab.rules is not None)
    assert f"Points: {lab.points}." in text
    assert lab.entry in text
    assert f'lab="{lab.name}"' in text


@labs
def test_there_are_solutions_enough_and_each_wrong_one_says_what_it_misunderstands(
    lab: Lab,
) -> None:
    wrong = [s for s in solutions("wrong") if s.lab is lab]
    assert len(wrong) >= 5
    assert len([s for s in solutions("right") if s.lab is lab]) >= 2
    misunderstandings = {s.path.read_text("utf-8").splitlines()[0] for s in wrong}
    assert len(misunderstandings) == len(wrong)
    assert all(line.startswith('"""') and line.endswith(".") for line in misunderstandings)


@labs
def test_each_part_has_points_a_promise_and_hints_that_grow(lab: Lab) -> None:
    assert len({part.name for part in lab.parts}) == len(lab.parts)
    for part in lab.parts:
        assert part.points > 0
        assert part.promise.endswith(".")
        assert len(part.hints) >= 2
        assert part.needs, "or nobody would notice that nothing was put to the test"


@labs
def test_the_notebook_follows_the_conventions_of_nbgrader(lab: Lab) -> None:
    cells = [c for c in notebook_of(lab).cells if "nbgrader" in c.metadata]
    about = [cell.metadata["nbgrader"] for cell in cells]
    assert len({mark["grade_id"] for mark in about}) == len(about)
    assert all(mark["schema_version"] == 3 for mark in about)
    graded = {mark["grade_id"]: mark["points"] for mark in about if mark["grade"]}
    assert graded == {f"part-{part.name}": part.points for part in lab.parts}
    for cell, mark in zip(cells, about, strict=True):
        assert mark["locked"] is not mark["solution"]
        assert bool(SOLUTION.search(cell.source)) is mark["solution"]
        assert bool(HIDDEN.search(cell.source)) is mark["grade"]
        asks_ours = "import nucleus.grading\n" in cell.source
        assert asks_ours is mark["grade"], "or a student's own check would decide"


@labs
def test_our_solution_is_as_long_as_students_are_told(lab: Lab) -> None:
    notebook = notebook_of(lab)
    regions = SOLUTION.finditer(code_of(notebook, skeleton=False))
    lines = [line for region in regions for line in region[0].splitlines() if line.strip()]
    length = sum("### " not in line for line in lines)
    told = [(ROOT / lab.name / "README.md").read_text("utf-8"), *(c.source for c in notebook.cells)]
    said = [match for text in told for match in re.findall(r"Our solution is (\d+) lines? l", text)]
    assert said == [str(length)] * 2


@labs
def test_the_notebook_has_small_cells_and_no_saved_outputs(lab: Lab) -> None:
    for cell in notebook_of(lab).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(HIDDEN.sub("", SOLUTION.sub("", cell.source)).splitlines()) <= 15


# ---- calibrated -----------------------------------------------------------------------


@labs
def test_the_untouched_skeleton_fails_by_name(lab: Lab) -> None:
    source = code_of(notebook_of(lab), skeleton=True)
    for report in judge(lab, Code(lab.entry, source.encode(), "lab.py"), schedules=1):
        assert report.outcome is Outcome.FAIL
        assert report.finding is not None
        assert report.finding.name == NOT_WRITTEN
        assert lab.entry in report.finding.what


@labs
def test_the_solution_in_the_notebook_passes(lab: Lab) -> None:
    source = code_of(notebook_of(lab), skeleton=False)
    for report in judge(lab, Code(lab.entry, source.encode(), "lab.py"), schedules=FEW):
        assert report.finding is None
        assert report.outcome is Outcome.PASS, f"part {report.part}: {report.unseen} never came"


@right
def test_a_right_solution_passes(solution: Solution) -> None:
    for report in judge(solution.lab, solution.code, schedules=FEWER):
        assert report.finding is None  # with so few schedules, it may be unknown


@wrong
def test_a_wrong_solution_fails_for_the_reason_that_it_names(solution: Solution) -> None:
    part, name = solution.reason
    (report,) = judge(solution.lab, solution.code, [part], FEW)
    assert report.outcome is Outcome.FAIL
    assert report.finding is not None
    assert report.finding.name == name


@right
@pytest.mark.full
def test_a_right_solution_passes_all_schedules(solution: Solution) -> None:
    for report in judge(solution.lab, solution.code):
        assert report.finding is None
        assert report.outcome is Outcome.PASS


@wrong
@pytest.mark.full
def test_a_wrong_solution_passes_until_the_part_that_is_about_it(solution: Solution) -> None:
    part, name = solution.reason
    reports = judge(solution.lab, solution.code)
    first = next(report for report in reports if report.outcome is not Outcome.PASS)
    assert first.finding is not None
    assert (first.part, first.finding.name) == (part, name)
    if name in INVARIANTS or name not in PROMISES:
        assert first.story is not None, "there is no picture of it"
