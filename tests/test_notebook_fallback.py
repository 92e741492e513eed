"""Where no widget can be shown there is a table, or at least words."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebook_support import NOTEBOOKS

LESSONS = NOTEBOOKS.parent / "docs" / "lessons.md"
COMMAND = re.compile(r"\.venv/bin/jupyter (nbconvert .+?) --output-dir", re.DOTALL)
CELLS = (
    "import nucleus\nfrom nucleus.notebook import *\n"
    "cluster = nucleus.Cluster(workers=2, dashboard=False, executor='thread')\ncluster.start()",
    "FaultPanel(cluster)",
    "panel = SubmitPanel(cluster.client)\n"
    "panel.payload.value = '20'\npanel.submit()[0].result()\n"
    "wait_until(lambda: '6765' in panel.table.value)\npanel",
    "metrics = MetricsPanel(cluster, interval=0.1)\n"
    "wait_until(lambda: metrics.samples and metrics.samples[-1].heartbeat_age)\n"
    "wait_until(lambda: 'No worker is silent' in metrics.said.value)\nmetrics",
    "predict_number('How many sheep?', 'sheep', default=3)",
    "predict_choice('Which sheep?', ['the black one', 'the white one'])",
    "predict_curve('How many when?', 'years', 'sheep', [1, 2], high=9)",
    "cluster.stop()",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the documented command makes of a notebook with each of the panels."""
    folder = tmp_path_factory.mktemp("pages")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "panels.ipynb")
    documented = COMMAND.search(LESSONS.read_text("utf-8"))
    assert documented
    command = ["jupyter", *shlex.split(documented[1].replace("\\\n", " ")), "panels.ipynb"]
    alone = os.environ | {"NUCLEUS_NONINTERACTIVE": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, cwd=folder, env=alone | {"PATH": path}, check=True)
    return (folder / "panels.html").read_text("utf-8")


def test_a_page_asks_nobody_for_widgets(page: str) -> None:
    views_states_and_servers = r"vnd\.jupyter\.widget-\w+|html-manager"
    assert re.findall(views_states_and_servers, page) == []


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(r"<caption[^>]*>Jobs: .*2 workers are alive.*</caption>", id="picture"),
        pytest.param(r"Buttons that break a worker.*<table.*worker-2.*</table>", id="faults"),
        pytest.param(r"Ended: 1 of 1 jobs.*<td>6765</td>.*</table>", id="submit"),
        pytest.param(r"<svg.*heartbeat age.*</svg><p>Jobs: .*No worker is silent", id="metrics"),
        pytest.param(r"How many sheep\? \(a number, in sheep\) Nobody is here", id="number"),
        pytest.param(r"Which sheep\? \(the black one; the white one\)", id="choice"),
        pytest.param(r"How many when\? \(a curve: sheep, over years\)", id="curve"),
    ],
)
def test_each_widget_leaves_a_table_or_words(page: str, left: str) -> None:
    found = re.search(left, page, re.DOTALL)
    assert found
