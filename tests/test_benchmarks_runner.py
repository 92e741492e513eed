"""The benchmark's own logic: rounds, medians, ratios, the page. Nothing is measured here."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import figures
from benchmarks.adapter import Adapter, Submit, Way
from benchmarks.adapters import ADAPTERS, FASTEST_PEERS
from benchmarks.figures import run_jobs
from benchmarks.jobs import Job
from benchmarks.processes import ROOT, Broken, Processes
from benchmarks.report import (
    BEGIN,
    END,
    OURS,
    as_json,
    curve_rows,
    page,
    ratios,
    throughput_rows,
    write_page,
    write_plot,
)
from benchmarks.runner import (
    Measurements,
    Run,
    Sample,
    doubling,
    interleave,
    long_enough,
    percentiles,
    running,
)

PEERS = {"celery", "distributed", "dramatiq", "huey", "ipyparallel", "redis", "rq", "taskiq"}


class Local(Adapter):
    """Runs a job when it is submitted, in this process."""

    name = "Local"
    durability = "none"
    distributions = ("nucleus",)

    def start_server(self) -> str:
        return "here"

    def start_workers(self, count: int) -> None:
        self.workers = count

    def connect(self, server: str) -> None:
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False

    @property
    def ways(self) -> Mapping[Way, Submit]:
        return {Way.EACH: lambda job, payloads: list(payloads)}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        return list(handles)


def measured(rates: Mapping[tuple[str, Way], float], waiting: Sequence[str] = ()) -> Measurements:
    """Return throughputs as if they had been measured."""
    found = Measurements(waiting=set(waiting))
    for (adapter, way), rate in rates.items():
        found.add(adapter, Sample(figures.THROUGHPUT, rate, way))
    return found


def test_rounds_are_interleaved() -> None:
    order: list[str] = []

    def figure(adapter: Adapter) -> Iterator[Sample]:
        order.append(adapter.key)
        yield Sample("speed", float(len(order)))

    into = Measurements()
    interleave(["a", "b"], [figure], 2, Local, lambda _: None, into)
    assert order == ["a", "b", "a", "b"]
    assert into.spreads["speed", "a", ""].values == (1.0, 3.0)  # type: ignore[index]
    assert into.median("speed", "b") == 3.0


def test_a_queue_that_fails_is_left_out_and_the_others_go_on() -> None:
    tried: list[str] = []

    def figure(adapter: Adapter) -> Iterator[Sample]:
        tried.append(adapter.key)
        if adapter.key == "a":
            raise Broken("no server")
        yield Sample("speed", 1.0)

    into = Measurements()
    interleave(["a", "b"], [figure], 3, Local, lambda _: None, into)
    assert tried == ["a", "b", "b", "b"]
    assert into.errors == {"a": "Broken: no server"}


def test_a_spread_has_a_median_and_its_ends() -> None:
    into = Measurements()
    for value in (5.0, 1.0, 9.0):
        into.add("a", Sample("speed", value))
    (spread,) = into.spreads.values()
    assert (spread.median, spread.low, spread.high) == (5.0, 1.0, 9.0)


def test_a_run_grows_until_it_is_long_enough() -> None:
    sizes: list[int] = []

    def run(jobs: int) -> float:
        sizes.append(jobs)
        return jobs / 10_000  # ten thousand jobs per second

    assert long_enough(run, 2.0, first=100) == Run(20_000, 2.0)
    assert sizes == [100, 800, 6_400, 20_000]


def test_a_run_never_grows_beyond_its_limit() -> None:
    assert long_enough(lambda jobs: 0.0, 2.0, first=100, most=1_000).jobs == 1_000


def test_percentiles_are_the_middle_and_the_tail() -> None:
    assert percentiles([float(n) for n in range(101)]) == (50.0, 99.0)


def test_sizes_of_a_curve_grow_by_a_factor() -> None:
    assert list(doubling(1, 100, 4)) == [1, 4, 16, 64]


def test_an_adapter_is_stopped_whatever_happens() -> None:
    adapter = Local("local")
    with pytest.raises(ZeroDivisionError), running(adapter):
        assert adapter.connected
        raise ZeroDivisionError
    assert not adapter.connected


def test_wrong_results_are_not_measured() -> None:
    adapter = Local("local")
    with pytest.raises(AssertionError, match="differ"):
        run_jobs(adapter, lambda job, payloads: [0, 0], [1, 2])
    run_jobs(adapter, adapter.ways[Way.EACH], [1, 2])
    run_jobs(adapter, lambda job, payloads: [2], [1, 2])  # only the last one has a result


def test_our_durable_way_is_compared_with_the_fastest_peer_of_the_same_way() -> None:
    found = measured(
        {
            (OURS, Way.EACH): 1_000.0,
            ("nucleus-memory", Way.EACH): 9_000.0,
            ("huey-redis", Way.EACH): 40.0,
            ("rq", Way.EACH): 50.0,
            ("huey-redis", Way.EXECUTED): 100.0,
        }
    )
    assert ratios(found) == {Way.EACH: 20.0, Way.EXECUTED: 10.0}


def test_a_peer_without_a_batch_way_is_compared_with_its_only_call() -> None:
    rates = {(OURS, Way.BATCH): 1_000.0, ("rq", Way.BATCH): 10.0, ("huey-redis", Way.EACH): 40.0}
    assert ratios(measured(rates)) == {Way.BATCH: 25.0}


def test_a_peer_that_returns_early_is_no_measure_for_waiting() -> None:
    rates = {
        (OURS, Way.ACKNOWLEDGED): 1_000.0,
        ("dask", Way.EACH): 500.0,
        ("huey-redis", Way.EACH): 40.0,
    }
    assert ratios(measured(rates, waiting=["huey-redis"])) == {Way.ACKNOWLEDGED: 25.0}


def test_every_row_says_how_durable_it_is_and_how_jobs_are_handed_in() -> None:
    found = measured({("local", Way.EACH): 5.0, ("local", Way.BATCH): 7.0})
    rows = throughput_rows(found, {"local": Local("local")})
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("Local", Way.BATCH, "none"),
        ("Local", Way.EACH, "none"),
    ]


def test_a_curve_is_a_table_with_a_column_for_each_place() -> None:
    found = Measurements()
    for workers, rate in (("2", 20.0), ("10", 50.0)):
        found.add("local", Sample(figures.BY_WORKERS, rate, workers))
    rows = curve_rows(found, {"local": Local("local")}, figures.BY_WORKERS)
    assert rows == [(figures.BY_WORKERS, "2", "10"), ("Local", "20", "50")]


def test_the_page_changes_between_its_marks_only(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    found = measured({("local", Way.EACH): 1_234.0})
    write_page(path, page(found, {"local": Local("local")}, "2030-01-01"))
    text = path.read_text()
    assert text.startswith(f"before\n{BEGIN}\n") and text.endswith(f"{END}\nafter\n")
    assert "| Local | one call per job | yes | 1,234 |" in text
    assert "old" not in text


def test_the_page_in_the_docs_has_its_marks() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert (text.count(BEGIN), text.count(END)) == (1, 1)


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    found = measured({("local", Way.EACH): 5.0})
    found.add("local", Sample(figures.BY_WORKERS, 5.0, "1"))
    write_plot(tmp_path / "plot.png", found, {"local": Local("local")})
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_file_holds_every_value() -> None:
    found = measured({("local", Way.EACH): 5.0})
    found.add("local", Sample(figures.THROUGHPUT, 7.0, Way.EACH))
    (row,) = as_json(found, "2030-01-01")["measured"]
    assert (row["adapter"], row["at"], row["values"]) == ("local", Way.EACH, [5.0, 7.0])


def test_a_server_that_does_not_start_is_named_with_what_it_said() -> None:
    processes = Processes()
    try:
        processes.start(sys.executable, "-c", "raise SystemExit('no such store')")
        with pytest.raises(Broken, match="no such store"):
            processes.wait_until(lambda: False, "the server")
    finally:
        processes.stop()


def test_every_adapter_is_a_class_of_its_module() -> None:
    for place in ADAPTERS.values():
        module, name = place.split(":")
        source = (ROOT / "benchmarks" / "adapters" / f"{module}.py").read_text("utf-8")
        assert name in {
            node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)
        }
    assert set(FASTEST_PEERS) <= ADAPTERS.keys()


def test_a_peer_is_imported_only_when_it_is_measured() -> None:
    code = f"import sys, benchmarks.__main__; print({PEERS!r} & sys.modules.keys())"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "set()"


def test_jobs_have_the_names_that_nucleus_knows() -> None:
    assert {Job.ECHO, Job.FIBONACCI} == {"Echo", "Fibonacci"}
