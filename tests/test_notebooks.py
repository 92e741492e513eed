"""Every lesson runs without a person, twice in one kernel, and leaves nothing behind."""

import copy
import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
LEFT_BEHIND = """
import json, threading, psutil
print(json.dumps({
    "children": [child.cmdline() for child in psutil.Process().children(recursive=True)],
    "threads": [t.name for t in threading.enumerate() if "nucleus" in t.name or "push" in t.name],
    "listening": [
        c.laddr.port for c in psutil.Process().net_connections("inet")
        if c.status == "LISTEN" and 20_000 <= c.laddr.port <= 30_000
    ],
}))
"""


def run(cells: list[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    """Execute cells in one kernel; the last one tells what is left behind."""
    code = [*cells, nbformat.v4.new_code_cell(LEFT_BEHIND)]
    for number, cell in enumerate(code):
        cell["id"] = f"cell-{number}"  # the same cells come twice
    notebook: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=code)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


def texts(notebook: nbformat.NotebookNode, stream: str) -> list[str]:
    """What the code cells wrote to a stream."""
    return [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == stream
    ]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_twice_in_one_kernel_and_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLEUS_NONINTERACTIVE", "1")
    cells = nbformat.read(path, as_version=4).cells
    notebook = run([*cells, *copy.deepcopy(cells)])
    assert texts(notebook, "stderr") == []
    left = json.loads(texts(notebook, "stdout")[-1])
    assert left == {"children": [], "threads": [], "listening": []}


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_cells_are_small_and_outputs_are_not_saved(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 12
            assert cell.outputs == []
            assert cell.execution_count is None
