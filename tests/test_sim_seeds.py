"""A thousand simulated worlds keep every promise, and together they saw everything go wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nucleus.sim import ALL, Tally, run_seeds, simulate

SEEDS = 1_000
FULL_SEEDS = 10_000  # by `make test-full`
CHUNK = 250  # so many that each of them sees everything
FULL_CHUNK = 500

OUTCOMES = {
    "requeued: worker_lost",
    "requeued: replaced",
    "requeued: left",
    "requeued: undelivered",
    "requeued: released",
    "requeued: failed",
    "result refused: stale_lease",
    "result refused: cancelled",
    "result refused: wrong_worker",
    "result refused: unknown_job",
    "refused: INVALID",
    "refused: KEY_CONFLICT",
    "refused: QUEUE_FULL",
    "job failed: failed",
    "job failed: worker_lost",
    "job failed: replaced",
    "worker lost: silence",
    "worker lost: replaced",
    "worker left",
    "job completed",
    "job cancelled",
    "job timed out",
    "job retried",
    "submit withdrawn",
    "master fenced",
    "recovery",
    "look-up",
    "place in the history lost",
    "result forgotten",
}

UNTESTED = {  # by any number of jobs, as long as nothing goes wrong
    "acknowledged-is-kept",
    "numbers-increase",
    "one-master-commits",
    "one-job-for-one-submit",
}


def exercised(tally: Tally) -> set[str]:
    return {what for what, times in (tally.fired + tally.seen).items() if times}


def hold_against_the_promises(seeds: range) -> None:
    """Run ``seeds``: none breaks a promise, and together they put every one to every test."""
    tally = run_seeds(seeds)
    assert tally.broken == {}
    assert (ALL | OUTCOMES) - exercised(tally) == set()
    assert tally.unknown == []


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(SEEDS, FULL_SEEDS, FULL_CHUNK))
def test_every_promise_is_kept_in_many_more_worlds(first: int) -> None:
    hold_against_the_promises(range(first, first + FULL_CHUNK))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_is_kept_and_everything_went_wrong(first: int) -> None:
    hold_against_the_promises(range(first, first + CHUNK))


def test_without_faults_nothing_fires() -> None:
    tally = run_seeds(range(10), faults=frozenset())
    assert (tally.broken, +tally.fired) == ({}, {})
    assert UNTESTED - set(tally.unknown) == set()


def test_the_same_seed_tells_the_same_story_wherever_its_objects_lie() -> None:
    elsewhere: list[list[object]] = []  # what is there already moves what comes next
    for seed in range(12):
        first = simulate(seed).history.observations
        elsewhere.append([object() for _ in range(1000 + 313 * seed)])
        assert first == simulate(seed).history.observations
    assert simulate(7).history.observations != simulate(8).history.observations


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_story_does_not_depend_on_the_process_that_tells_it(
    hash_seed: str, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    code = "import sys; from nucleus.sim import simulate; simulate(7).history.save(sys.argv[1])"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-c", code, str(there)], env=environment, check=True)
    simulate(7).history.save(here)
    assert here.read_bytes() == there.read_bytes()
