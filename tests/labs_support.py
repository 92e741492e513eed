"""The folders of the graded labs, read as a test needs them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from nucleus.grading.code import Code
from nucleus.grading.lab import Lab
from nucleus.grading.labs import LABS

ROOT = Path(__file__).resolve().parent.parent / "labs"
FOLDERS = sorted(path.name for path in ROOT.glob("[0-9]*/"))
SOLUTION = re.compile(r"( *)### BEGIN SOLUTION\n.*?### END SOLUTION\n?", re.DOTALL)
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", re.DOTALL)
_REASON = re.compile(r"\n\nPart: (\w+)\nCaught by: ([\w-]+)\n")


@dataclass(frozen=True)
class Solution:
    """A known-right or a known-wrong solution."""

    lab: Lab
    path: Path

    @property
    def code(self) -> Code:
        return Code.of_file(self.path, self.lab.entry)

    @property
    def reason(self) -> tuple[str, str]:
        """The part that it fails first, and the finding that says so."""
        match = _REASON.search(self.path.read_text("utf-8"))
        assert match, f"{self.path} does not say which part catches it, and by what"
        return match[1], match[2]


def solutions(kind: str) -> list[Solution]:
    """Those of all labs; ``kind`` is ``right`` or ``wrong``."""
    return [
        Solution(LABS[name], path)
        for name in FOLDERS
        if name in LABS  # one that is not is found by a test of its own
        for path in sorted((ROOT / name / kind).glob("*.py"))
    ]


def name_of(solution: Solution) -> str:
    return f"{solution.lab.name}-{solution.path.stem}"


def notebook_of(lab: Lab) -> Any:
    """The source notebook of a lab; there is one."""
    (path,) = (ROOT / lab.name).glob("*.ipynb")
    return nbformat.read(path, as_version=4)


def code_of(notebook: Any, *, skeleton: bool) -> str:
    """The cells in which students write, as they find them or with the solutions."""
    cells = [c.source for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")]
    source = "\n\n".join(cells)
    return SOLUTION.sub(r"\1raise NotImplementedError\n", source) if skeleton else source
