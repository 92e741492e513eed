"""What lab 8 asks for is what Prometheus asks for: its own tool judges the solutions."""

import runpy
import subprocess
from pathlib import Path

import pytest

from tests.labs_support import ROOT
from tests.support import require

FOLDER = ROOT / "08-metrics"
RIGHT = sorted((FOLDER / "right").glob("*.py"))


def complaints(solution: Path) -> str:
    """What promtool has to say about the text of an exporter with workers of odd names."""
    promtool = require("promtool", "prometheus")
    exporter = runpy.run_path(str(solution))["Exporter"]()
    for name, done in (('the "fast" one', 7), ("back\\slash", 0), ("two\nlines", 12)):
        exporter.push(1000, name, done)
    text: str = exporter.text(1012)
    judged = subprocess.run(
        [promtool, "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return judged.stderr


@pytest.mark.parametrize("solution", RIGHT, ids=lambda path: path.stem)
def test_promtool_is_content_with_a_right_exporter(solution: Path) -> None:
    assert complaints(solution) == ""


@pytest.mark.parametrize("name", ["names_are_harmless", "help_is_for_beginners"])
def test_promtool_finds_what_the_lab_finds(name: str) -> None:
    assert complaints(FOLDER / "wrong" / f"{name}.py")
