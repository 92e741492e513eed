"""Promise 1 to 3 and 8 under ``kill -9``: what was told before is so afterwards.

The master dies at random moments under full load, and while it starts. After each restart what
clients and workers were told is compared with the file; at the end the whole history is judged
once more from its beginning.
"""

import os
import random
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from nucleus.rpc import job_queue_pb2 as pb
from tests.durable_judge import History, judge, one_moment
from tests.durable_support import (
    RUNNING,
    Load,
    MasterCommand,
    Repeater,
    Told,
    master_command,
    pause,
)
from tests.support import eventually, open_stub

SEED = "NUCLEUS_CRASH_SEED"  # names the moments; the load on the machine does the rest
LONGEST_LIFE = 0.6  # seconds under load
LONGEST_START = 0.8  # seconds: some kills come before the master serves


@pytest.mark.long
def test_a_master_killed_twenty_times_keeps_what_it_told(tmp_path: Path) -> None:
    """About 40 s."""
    kill_often(tmp_path / "ledger.db", kills=20)


@pytest.mark.full
def test_a_master_killed_a_hundred_times_keeps_what_it_told(tmp_path: Path) -> None:
    kill_often(tmp_path / "ledger.db", kills=100)


@contextmanager
def moments() -> Iterator[random.Random]:
    """A source of random moments; a failure names its seed."""
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    try:
        yield random.Random(seed)
    except BaseException as error:
        error.add_note(f"the moments come from {SEED}={seed}")
        raise


def kill_often(file: Path, kills: int) -> None:
    """Kill a busy master ``kills`` times, and judge it after each time and at the end."""
    with moments() as rng, master_command(file) as master:
        seed = rng.randrange(1 << 30)
        with (
            closing(Load(master.address, seed=seed)) as load,
            closing(Repeater(master.address, seed=seed)) as again,
        ):
            history, killed = History(), 0
            while killed < kills:
                load.flows()
                pause(rng.uniform(0.0, LONGEST_LIFE))
                master.kill()
                load.learn()
                told = [load.told.news(), again.told.news()]
                if rng.random() < 0.25:
                    load.replace(rng.choice(["w1", "w2"]))
                killed += 1 + die_young(master, rng)
                master.start()
                check_restart(master, history, told)
            again.stop()
            load.drain()
            nothing_is_left(master)
        master.kill()
        verdict = judge(file, [load.told, again.told])
    assert verdict.jobs.keys() >= history.jobs.keys(), "what was there after a restart stays"
    assert all(job.status > RUNNING for job in verdict.jobs.values())
    check_it_was_hard(verdict, load, again)


def die_young(master: MasterCommand, rng: random.Random) -> int:
    """Kill the master a few times more while it starts; return how often."""
    times = 0
    while rng.random() < 0.2:
        master.begin()
        pause(rng.uniform(0.0, LONGEST_START))
        master.kill()
        times += 1
    return times


def check_restart(master: MasterCommand, history: History, tolds: list[Told]) -> None:
    """Hold the restarted master and its file against what was told before it died."""
    with open_stub(master.address) as stub:
        state = stub.GetClusterState(pb.GetClusterStateRequest())
    assert state.submitted == sum(state.jobs.values()), "submitted = queued + running + terminal"
    with one_moment(master.store) as connection:
        history.read(connection)
        history.check_tables(connection, live_only=True)
    for told in tolds:
        history.check_told(told)


def nothing_is_left(master: MasterCommand) -> None:
    """Wait until no job is queued or running."""

    def left() -> int:
        jobs = stub.GetClusterState(pb.GetClusterStateRequest()).jobs
        return int(jobs["QUEUED"] + jobs["RUNNING"])

    with open_stub(master.address) as stub:
        eventually(lambda: not left(), timeout=60, interval=0.1)


def check_it_was_hard(verdict: History, load: Load, again: Repeater) -> None:
    """The test has only shown something when all of this has happened."""
    assert verdict.went_on, "no job was completed under a lease from before a crash"
    assert verdict.went_back, "no lease was lost in a crash"
    assert verdict.totals["WorkerLost"], "no worker was replaced"
    assert again.broken and again.repeats, "no call broke, or none was repeated"
    assert load.told.accepted and load.told.leases
