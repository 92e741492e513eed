"""What the dashboards ask, with their variables filled in, and a Prometheus to be asked."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.support import Prometheus, configured_prometheus

ROOT = Path(__file__).resolve().parent.parent
GRAFANA = ROOT / "docker" / "grafana"
PROMETHEUS = ROOT / "docker" / "prometheus"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))

# What Grafana fills in: for a quarter of an hour, everything chosen, and a scrape each second.
VARIABLES = {
    "$__rate_interval": "20s",
    "$__range": "900s",
    "$worker": ".*",
    "$job_type": ".*",
}


@dataclass(frozen=True)
class Question:
    """A query, and who asks it."""

    asker: str
    promql: str
    is_mark: bool  # of an annotation, which shows only where the value is above 0


def load(path: Path) -> dict[str, Any]:
    """Return a dashboard as it is committed."""
    board: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return board


def panels_of(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something: all but the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def questions() -> list[Question]:
    """Return what is asked by the panels, the marks, the lists of choices, and the rules."""
    boards = [load(path) for path in DASHBOARDS]
    asked = [question for board in boards for question in (*_panels(board), *_marks(board))]
    asked += [question for board in boards for question in _choices(board)]
    asked += [Question("recording.yml", series, False) for series in recorded_series()]
    return list({question.promql: question for question in asked}.values())


def recorded_series() -> list[str]:
    """Return the names of all recorded series."""
    rules = yaml.safe_load((PROMETHEUS / "rules" / "recording.yml").read_text("utf-8"))
    return [rule["record"] for group in rules["groups"] for rule in group["rules"]]


def _panels(board: dict[str, Any]) -> Iterator[Question]:
    for panel in panels_of(board):
        for target in panel["targets"]:
            asker = f"{board['title']}, {panel['title']}, {target['legendFormat']}"
            yield Question(asker, _filled(target["expr"]), False)


def _marks(board: dict[str, Any]) -> Iterator[Question]:
    for mark in board["annotations"]["list"]:
        yield Question(f"mark {mark['name']}", _filled(mark["expr"]), True)


def _choices(board: dict[str, Any]) -> Iterator[Question]:
    for variable in board["templating"].get("list", ()):
        parts = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
        assert parts, variable["query"]
        metric, label = parts.groups()
        yield Question(f"choice of {label}", f'count by ({label}) ({metric}{{{label}!=""}})', False)


def _filled(promql: str) -> str:
    for variable, value in VARIABLES.items():
        promql = promql.replace(variable, value)
    assert "$" not in promql, f"{promql} has a variable that is not filled in"
    return promql


@contextmanager
def lab_prometheus(target: str) -> Iterator[Prometheus]:
    """Run the Prometheus of the lab, with its rules, over ``target``, each second."""
    with TemporaryDirectory() as folder:
        copytree(PROMETHEUS, folder, dirs_exist_ok=True)
        path = Path(folder, "prometheus.yml")
        config = yaml.safe_load(path.read_text("utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        path.write_text(yaml.safe_dump(config), "utf-8")
        with configured_prometheus(path) as prometheus:
            yield prometheus
