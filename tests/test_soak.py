"""A master at full rate for minutes: whatever can level off does.

The last third of a run is compared with the third before it; the first one warms up. Only
ratios are compared, and with tolerance, because a machine that runs tests has other work, too.
"""

import gc
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from nucleus.client import Client
from tests.durable_judge import one_moment
from tests.durable_support import Load, MasterCommand, master_command, pause

INTERVAL = 1.0  # seconds between two samples
MAX_WAL = 64 * 1024 * 1024  # bytes; a checkpoint is due every 4 MB

# With this a file levels off as well, once so many jobs have ended; without, each job adds as
# much as the one before.
RETAIN = ("--retain-jobs", "20000")


@dataclass(frozen=True)
class Sample:
    """A master at one moment."""

    finished: int  # jobs
    memory: int  # bytes that are its own
    file: int  # bytes
    wal: int  # bytes
    threads: int
    files: int  # open descriptors
    latency: float  # seconds from submit to result


Samples = list[Sample]


@pytest.mark.long
def test_a_master_levels_off_within_two_minutes(tmp_path: Path) -> None:
    """120 s."""
    soak(tmp_path / "ledger.db", *RETAIN, seconds=120)


@pytest.mark.full
@pytest.mark.parametrize("options", [RETAIN, ()], ids=["trimmed", "kept"])
def test_a_master_levels_off_within_ten_minutes(tmp_path: Path, options: tuple[str, ...]) -> None:
    soak(tmp_path / "ledger.db", *options, seconds=600)


def soak(file: Path, *options: str, seconds: float) -> None:
    """Keep a master busy, and compare the last third with the one before."""
    with master_command(file, *options) as master:
        with closing(Load(master.address)) as load, Client(master.address) as probe:
            load.flows()
            try:
                samples = gather(master, load, probe, seconds)
            finally:
                gc.unfreeze()
            load.drain()
        master.kill()
    check_file_is_whole(file, load)
    check_levels(samples, trimmed=bool(options))


def gather(master: MasterCommand, load: Load, probe: Client, seconds: float) -> Samples:
    """Take samples for so many seconds."""
    samples: Samples = []
    process = master.look()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pause(INTERVAL)
        # The load remembers all that it is told. To look through that for garbage takes longer
        # and longer, and the probe, which shares its process, would seem to wait for the master.
        gc.freeze()
        samples.append(sample(master.store, process, load.finished, latency(probe)))
    return samples


def latency(probe: Client) -> float:
    """Seconds from the submit to the result of a job that goes ahead of those that wait."""
    began = time.perf_counter()
    probe.submit("Echo", 0, priority=1).result(timeout=60)
    return time.perf_counter() - began


def sample(file: Path, process: psutil.Process, finished: int, latency: float) -> Sample:
    return Sample(
        finished,
        process.memory_full_info().uss,
        size_of(file),
        size_of(file.with_name(f"{file.name}-wal")),
        process.num_threads(),
        process.num_fds(),
        latency,
    )


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def check_file_is_whole(file: Path, load: Load) -> None:
    """Every job that the load was told of ended once, by the totals of the file."""
    with one_moment(file) as connection:
        sql = "SELECT json_extract(totals, '$.submitted') FROM ledger"
        submitted = connection.execute(sql).fetchone()[0]
        live = connection.execute("SELECT count(*) FROM jobs WHERE status IN (1, 2)").fetchone()[0]
    assert load.told.wrong == []
    assert submitted >= load.submitted and live == 0


def check_levels(samples: Samples, *, trimmed: bool) -> None:
    """Hold the last third against the middle one."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    print(report(samples))
    assert ratio(last, middle, lambda s: s.memory) < 1.1, "memory grows"
    assert ratio(last, middle, lambda s: s.latency) < 2.5, "answers become slower"
    assert rate(last) / rate(middle) > 0.5, "fewer jobs get done"
    assert most(last, lambda s: s.threads) <= most(middle, lambda s: s.threads) + 2
    assert most(last, lambda s: s.files) <= most(middle, lambda s: s.files) + 4
    assert most(samples, lambda s: s.wal) < MAX_WAL, "nobody writes the WAL back"
    if trimmed:
        assert ratio(last, middle, lambda s: s.file) < 1.1, "what is not kept still takes room"
    else:
        assert bytes_per_job(last) / bytes_per_job(middle) < 1.3, "each job takes more room"


def ratio(last: Samples, middle: Samples, figure: Callable[[Sample], float]) -> float:
    """How a figure changed: its lower quartile, which other work on the machine hardly moves."""
    before, after = (statistics.quantiles(map(figure, part), n=4)[0] for part in (middle, last))
    return after / before


def most(samples: Samples, figure: Callable[[Sample], int]) -> int:
    return max(map(figure, samples))


def rate(samples: Samples) -> float:
    """Jobs done between two samples, on average."""
    return (samples[-1].finished - samples[0].finished) / len(samples)


def bytes_per_job(samples: Samples) -> float:
    """How much the file grew with each job."""
    return (samples[-1].file - samples[0].file) / (samples[-1].finished - samples[0].finished)


def report(samples: Samples) -> str:
    """Some of the samples, one to a line, for whoever has to find out why."""
    return "\n".join(map(str, samples[:: max(1, len(samples) // 20)]))
