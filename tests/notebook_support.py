"""What the tests of the notebook share: a job to be shown, and notebooks that run for real."""

import copy
import json
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from nucleus.client import JobView

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PATIENCE = 60  # seconds for one cell
STEPS, USUAL = 4_000_000, 0.12  # so many steps of an idle interpreter take so many seconds
GRACE = 10  # seconds for a process to end once its kernel has
MARK = "NUCLEUS_TEST_RUN"  # whatever a run starts inherits it, also what outlives its parent

# The first and the last thing that a kernel is told. Threads that gRPC and ZeroMQ start for
# themselves live as long as it does.
BEFORE = """
import json, psutil, threading
def look_around():
    me = psutil.Process()
    threads = [(thread.name, type(thread).__module__) for thread in threading.enumerate()]
    return {
        "children": [" ".join(child.cmdline()) for child in me.children(recursive=True)],
        "ports": [c.laddr.port for c in me.net_connections("inet") if c.status == "LISTEN"],
        "threads": [
            name for name, home in threads
            if not name.endswith("(_poll_wrapper)") and not home.startswith("zmq.")
        ],
    }
_there_before = look_around()
"""
AFTER = """
print(json.dumps({
    kind: [thing for thing in there if thing not in _there_before[kind]]
    for kind, there in look_around().items()
}))
"""


def a_job(job_id: str = "1", **changes: Any) -> JobView:
    """Return a job that waited for a second, and ran for another."""
    fields: dict[str, Any] = {
        "id": job_id,
        "job_type": "Sleep",
        "payload": 1,
        "status": "COMPLETED",
        "result": 1,
        "error": "",
        "output": "",
        "worker": "worker-1",
        "attempts": 1,
        "max_attempts": 3,
        "priority": 0,
        "submitted_at": 100.0,
        "started_at": 101.0,
        "finished_at": 102.0,
        "retry_of": "",
    }
    return JobView(**{**fields, **changes})


@dataclass(frozen=True)
class Run:
    """What came of a notebook that was executed."""

    stderr: list[str]
    left_in_kernel: dict[str, list[Any]]  # children, ports and threads that were not there before
    processes: list[psutil.Process]  # that outlive the kernel
    files: list[str]  # new ones: beside the notebooks, temporary, or in the user's runtime folder
    seconds: float  # that the cells took, with the start of the kernel
    slowness: float  # of the machine meanwhile, see ``slowness``


def execute(
    cells: Sequence[nbformat.NotebookNode],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    grace: float = GRACE,
) -> Run:
    """Execute cells in one kernel, on a copy of the notebooks, where nobody sits.

    A process may live for ``grace`` seconds longer than the kernel. Raises
    ``CellExecutionError`` as soon as a cell fails.
    """
    lessons, mark = folder / "notebooks", uuid.uuid4().hex
    shutil.copytree(NOTEBOOKS, lessons)
    variables = {"NUCLEUS_NONINTERACTIVE": "1", MARK: mark}
    for name, below in (("TMPDIR", "tmp"), ("XDG_RUNTIME_DIR", "run")):
        (folder / below).mkdir()
        variables[name] = str(folder / below)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = set(folder.rglob("*"))
    slow, began = slowness(), time.monotonic()
    notebook = _execute(cells, lessons)
    seconds, slow = time.monotonic() - began, max(slow, slowness())
    _, living = psutil.wait_procs(marked(mark), timeout=grace)
    new = set(folder.rglob("*")) - before - {folder / "run" / f"nucleus-{os.getuid()}"}
    return Run(
        _written(notebook.cells, "stderr"),
        json.loads("".join(_written(notebook.cells[-1:], "stdout"))),  # it may come in pieces
        living,
        sorted(str(path.relative_to(folder)) for path in new),
        seconds,
        slow,
    )


def slowness() -> float:
    """Return how many times as long as usual this machine takes for what it does now; at least 1.

    Both a slow processor and other programs count. A limit in seconds is to be stretched by it.
    """
    began = time.perf_counter()
    for _ in range(STEPS):
        pass
    return max(1.0, (time.perf_counter() - began) / USUAL)


def _execute(cells: Sequence[nbformat.NotebookNode], folder: Path) -> nbformat.NotebookNode:
    first, last = nbformat.v4.new_code_cell(BEFORE), nbformat.v4.new_code_cell(AFTER)
    code = [first, *map(copy.deepcopy, cells), last]
    for number, cell in enumerate(code):
        cell["id"] = f"cell-{number}"  # the same cells may come twice
    notebook: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=code)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=where).execute()
    return notebook


def _written(cells: Sequence[nbformat.NotebookNode], stream: str) -> list[str]:
    return [
        output.text
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == stream
    ]


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes whose environment has this mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:  # it has just ended, or belongs to somebody else
            continue
    return found
