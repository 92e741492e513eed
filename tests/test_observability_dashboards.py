"""The dashboards of Grafana as files: built from code, complete, and laid out without overlap."""

import json
import subprocess
import sys
import typing
from collections import Counter
from enum import Enum
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig, Panel
from pydantic import TypeAdapter

from tests.observability_support import DASHBOARDS, GRAFANA, PROMETHEUS, ROOT, load, panels_of

BOARDS = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
COLUMNS = 24
WORDS = {"titleFormat", "textFormat"}  # of annotations; the library does not know them


def provisioned(name: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / name).read_text("utf-8"))


def test_building_again_changes_nothing(tmp_path: Path) -> None:
    build = GRAFANA / "build.py"
    subprocess.run([sys.executable, build, tmp_path], check=True, timeout=30)
    built = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text("utf-8") for path in DASHBOARDS}
    assert len(committed) == 3
    assert built == committed, "run `python docker/grafana/build.py` and commit what it writes"


@BOARDS
def test_every_panel_has_a_unit_legends_and_a_description(path: Path) -> None:
    for panel in panels_of(load(path)):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert all(target["legendFormat"] for target in panel["targets"])


@BOARDS
def test_every_panel_asks_the_data_source_that_is_provisioned(path: Path) -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    expected = {"type": source["type"], "uid": source["uid"]}
    board = load(path)
    askers = [
        *panels_of(board),
        *(target for panel in panels_of(board) for target in panel["targets"]),
        *board["annotations"]["list"],
        *board["templating"].get("list", ()),
    ]
    assert all(asker["datasource"] == expected for asker in askers)


@BOARDS
def test_faults_are_marked_on_every_dashboard(path: Path) -> None:
    marks = load(path)["annotations"]["list"]
    assert [mark["name"] for mark in marks] == [
        "Master restarted",
        "Worker down",
        "Worker lost",
        "Jobs re-queued",
        "Results refused",
    ]
    assert all(mark["enable"] and mark["titleFormat"] and mark["textFormat"] for mark in marks)


@BOARDS
def test_panels_do_not_overlap_and_fill_the_width(path: Path) -> None:
    places = [panel["gridPos"] for panel in load(path)["panels"]]
    for one, other in combinations(places, 2):
        assert not overlap(one, other), f"{one} and {other}"
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
    width_at = Counter[int]()
    for place in places:
        width_at[place["y"]] += place["w"]
    assert set(width_at.values()) == {COLUMNS}


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


@BOARDS
def test_every_dashboard_fits_grafanas_schema(path: Path) -> None:
    plugins.register_default_plugins()
    committed = load(path)
    for mark in committed["annotations"]["list"]:
        for word in WORDS:
            del mark[word]
    board = Dashboard.from_json(committed)
    for panel in board.panels or ():
        if isinstance(panel, Panel) and panel.transformations:  # the library leaves them as read
            read: list[Any] = panel.transformations
            panel.transformations = [DataTransformerConfig.from_json(item) for item in read]
    check_types(board)
    assert left_out(committed, json.loads(JSONEncoder().encode(board))) == []


def left_out(written: Any, read: Any, where: str = "") -> list[str]:
    """Return what reading has lost, which is what the schema does not know; it may add defaults."""
    if isinstance(written, dict) and isinstance(read, dict):
        pairs = [(f"{where}/{key}", value, read.get(key)) for key, value in written.items()]
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        pairs = [(f"{where}/{n}", *pair) for n, pair in enumerate(zip(written, read, strict=True))]
    else:
        return [] if written == read else [where]
    return [lost for place, one, other in pairs for lost in left_out(one, other, place)]


def check_types(node: object) -> None:
    """Check every attribute of a model, and of the models in it, against its declared type."""
    hints = typing.get_type_hints(type(node))
    for name, value in vars(node).items():
        adapter = TypeAdapter[Any](hints[name], config={"arbitrary_types_allowed": True})
        adapter.validate_python(value)
        for child in models_in(value):
            check_types(child)


def models_in(value: object) -> list[object]:
    if isinstance(value, list):
        return [model for item in value for model in models_in(item)]
    if isinstance(value, dict):
        return [model for item in value.values() for model in models_in(item)]
    of_grafana = type(value).__module__.startswith("grafana_foundation_sdk.models")
    return [value] if of_grafana and not isinstance(value, Enum) else []


def test_ids_are_unique_and_last() -> None:
    boards = [load(path) for path in DASHBOARDS]
    assert {board["uid"] for board in boards} == {f"nucleus-{path.stem}" for path in DASHBOARDS}
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert ids == list(range(1, len(ids) + 1))


def test_grafana_finds_the_dashboards_and_prometheus_where_compose_puts_them() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    (provider,) = provisioned("dashboards/nucleus.yml")["providers"]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    assert mounts["./docker/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./docker/grafana/provisioning"] == "/etc/grafana/provisioning"
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in services
    scrape = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["global"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"]
