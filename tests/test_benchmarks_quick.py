"""Every figure of the benchmark, in miniature: Nucleus beside one peer with its real server."""

import pytest

from benchmarks import figures as f
from benchmarks.adapters import load
from benchmarks.figures import Figures, Sizes
from benchmarks.report import page, ratios
from benchmarks.runner import Measurements, interleave
from tests.support import require

TINY = Sizes(
    seconds=0.1,
    most=500,
    latencies=10,
    fibonacci=(12, 20),
    memory=500,
    longest_queue=1_000,
    largest_payload=16,
    most_workers=2,
    most_submitters=2,
)


@pytest.mark.long  # about 30 s: ten starts of a master and of Redis
def test_every_figure_is_measured_for_nucleus_and_a_peer() -> None:
    require("redis-server", "redis-server")
    take = Figures(TINY)
    measured = Measurements()
    interleave(
        ["nucleus-sqlite", "huey-redis"],
        [
            take.throughput,
            take.latency,
            take.efficiency,
            take.memory,
            take.by_queue,
            take.by_payload,
            take.by_workers,
            take.by_submitters,
        ],
        1,
        load,
        print,
        measured,
    )
    assert measured.errors == {}
    expected = {
        f.THROUGHPUT, f.CPU, f.P50, f.P99, f.UNARY_P50, f.EFFICIENCY, f.MEMORY,
        f.BY_QUEUE, f.BY_PAYLOAD, f.BY_WORKERS, f.BY_SUBMITTERS,
    }  # fmt: skip
    for adapter in ("nucleus-sqlite", "huey-redis"):
        assert {key.figure for key in measured.spreads if key.adapter == adapter} == expected
    assert ratios(measured)
    adapters = {key: load(key) for key in ("nucleus-sqlite", "huey-redis")}
    assert "Huey, Redis" in page(measured, adapters, "2030-01-01")
