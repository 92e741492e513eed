"""The notebooks of the labs run from top to bottom, and leave nothing behind."""

from pathlib import Path

import pytest

from nucleus.grading.lab import Lab
from nucleus.grading.labs import LABS
from tests.labs_support import notebook_of
from tests.notebook_support import execute


@pytest.mark.long
@pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))
def test_a_lab_runs_outside_its_checks_with_its_solution_and_leaves_nothing_behind(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [cell for cell in notebook_of(lab).cells if cell.cell_type == "code"]
    others = [cell for cell in cells if not cell.metadata.get("nbgrader", {}).get("grade")]
    run = execute(others, tmp_path, monkeypatch)
    assert run.stderr == []
    assert not any(run.left_in_kernel.values()), run.left_in_kernel
    assert run.processes == []
    assert run.files == []
