"""The stop button in the middle of an experiment, and the restart of a kernel.

Each lesson that breaks its cluster is run in a real kernel until something is broken, and then
interrupted. The same cluster goes on; and when the kernel is restarted, politely or by force,
no process is left, and nothing for ``nucleus clean``.
"""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from tests.notebook_support import MARK, NOTEBOOKS, marked
from tests.support import eventually

PATIENCE = 60  # seconds for one cell
LONGEST = {  # what the cell says that waits longest
    "04_heartbeats": "await_lost(cluster",
    "05_requeue": "cluster.kill(",
    "06_zombies": "cluster.kill(",
    "07_poison": "curse(cluster",
}
# A file appears when something is broken.
TELL = """
from pathlib import Path
cluster.listen(lambda kind, target, over: over or Path({broken!r}).touch())
"""
BROKEN = "broken"


class Kernel:
    """A kernel as JupyterLab starts one, and what it is told."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client

    def run(self, code: str) -> list[str]:
        """Run a cell to its end; return what it printed. The cell must not fail."""
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["header"]["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, timeout=PATIENCE, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply["content"]
        return printed

    def begin(self, code: str) -> str:
        """Begin to run a cell; return the name under which it will answer.

        The one after it is run also when it fails: else a kernel refuses for a moment, after it
        has answered, whatever it is asked next.
        """
        name: str = self._client.execute(code, stop_on_error=False)
        return name

    def answer(self, name: str) -> dict[str, Any]:
        """Wait for the end of a cell that was begun."""
        while True:
            reply = self._client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == name:
                content: dict[str, Any] = reply["content"]
                return content

    def restart(self, *, by_force: bool) -> None:
        """Restart it: by force it is killed, else it is asked to end first."""
        self.manager.restart_kernel(now=by_force)
        self._client.wait_for_ready(timeout=PATIENCE)

    @property
    def process(self) -> psutil.Process:
        """The process in which it runs."""
        return psutil.Process(self.manager.provisioner.pid)  # type: ignore[union-attr]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What marks every process of this test; their temporary files have a place of their own."""
    mark = uuid.uuid4().hex
    for name, value in (("NUCLEUS_NONINTERACTIVE", "1"), ("TMPDIR", str(tmp_path)), (MARK, mark)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return mark


@pytest.fixture
def kernel(mark: str, tmp_path: Path) -> Iterator[Kernel]:
    manager, client = start_new_kernel(cwd=str(tmp_path))
    yield Kernel(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def code_of(name: str) -> list[str]:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def only_the_kernel_is_left(kernel: Kernel, mark: str) -> bool:
    return {process.pid for process in marked(mark)} == {kernel.process.pid}


def clean() -> str:
    """What ``nucleus clean`` says."""
    run = subprocess.run([sys.executable, "-m", "nucleus", "clean"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.long
@pytest.mark.parametrize("name", LONGEST)
def test_a_lesson_survives_the_stop_button_and_a_restart_leaves_no_process(
    name: str, kernel: Kernel, mark: str, tmp_path: Path
) -> None:
    cells = code_of(name)
    place = next(n for n, source in enumerate(cells) if LONGEST[name] in source)
    for source in cells[:place]:
        kernel.run(source)
    kernel.run(TELL.format(broken=str(tmp_path / BROKEN)))

    experiment = kernel.begin(cells[place])
    eventually((tmp_path / BROKEN).exists, timeout=PATIENCE)
    kernel.manager.interrupt_kernel()
    answer = kernel.answer(experiment)
    assert (answer["status"], answer.get("ename")) == ("error", "KeyboardInterrupt")

    said = kernel.run("print(cluster.client.submit('Echo', 'still here').result(60))")
    assert said == ["still here\n"]
    kernel.run("from nucleus.notebook import mend\nmend(cluster)")
    kernel.run("assert list(cluster.client.map('Echo', range(9))) == list(range(9))")

    kernel.restart(by_force=False)
    assert eventually(lambda: only_the_kernel_is_left(kernel, mark))
    for source in cells[:place]:
        kernel.run(source)
    kernel.run("job = cluster.client.submit('Sleep', 60)\nassert job.acknowledged()")
    kernel.restart(by_force=True)
    assert eventually(lambda: only_the_kernel_is_left(kernel, mark))
    assert clean() == "nothing to clean"
