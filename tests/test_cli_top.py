"""What ``nucleus top`` draws, without a clock or a connection."""

from dataclasses import replace

import pytest
from rich.console import Console

from nucleus.cli.top import Throughput, frame
from nucleus.client import Stats, WorkerView

WORKER = WorkerView("w1", "alive", True, 2, 1, 1, 2, 0.5, ("Echo",))
STATS = Stats(
    ledger_id="abc123",
    epoch=2,
    jobs={"QUEUED": 30, "RUNNING": 1, "COMPLETED": 1200},
    submitted=1231,
    requeued={"worker_lost": 2, "released": 1},
    rejected={"STALE_LEASE": 1},
    oldest_queued_age=75.0,
    workers=(WORKER, replace(WORKER, name="w2", state="lost", heartbeat_age=130.0)),
    job_types={},
)


def drawn(stats: Stats, rate: float | None = None, silent: float = 0.0, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(frame("127.0.0.1:50051", stats, rate, silent))
    return captured.get()


def test_a_frame_shows_counts_trouble_and_workers() -> None:
    text = drawn(STATS, rate=98.76)
    assert "master 127.0.0.1:50051  ledger abc123  epoch 2" in text
    assert "COMPLETED     1,200" in text
    assert "1,231 submitted  ·  oldest waits 1 min 15 s  ·  98.8 jobs/s" in text
    assert "re-queued 3 (released 1, worker_lost 2)" in text
    assert "late results refused 1 (STALE_LEASE 1)" in text
    assert "no answer" not in text


def test_a_lost_worker_has_no_bars() -> None:
    [alive] = [line for line in drawn(STATS).splitlines() if line.startswith("w1")]
    [lost] = [line for line in drawn(STATS).splitlines() if line.startswith("w2")]
    assert "1/2" in alive
    assert "0.5 s" in alive
    assert "━" in alive
    assert "2 min 10 s" in lost
    assert "━" not in lost


def test_a_master_that_falls_silent_is_seen() -> None:
    assert "no answer for 3.0 s" in drawn(STATS, silent=3.0)


@pytest.mark.parametrize("width", [80, 120])
def test_a_frame_fits_its_terminal(width: int) -> None:
    workers = (replace(WORKER, name="a-machine-with-a-very-long-name.example.org-12345"),)
    text = drawn(replace(STATS, workers=workers), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "alive" in text
    assert "1/2" in text


def test_throughput_is_that_of_the_last_seconds() -> None:
    throughput = Throughput()
    assert throughput.update(0.0, 500) == 0
    assert throughput.update(1.0, 510) == 10
    assert [throughput.update(float(now), 510) for now in range(2, 8)][-1] == 0


def test_throughput_is_never_negative() -> None:
    throughput = Throughput()
    throughput.update(0.0, 500)
    assert throughput.update(1.0, 0) == 0  # another ledger behind the same address
