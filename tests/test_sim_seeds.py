"""A thousand simulated worlds keep every promise, and together they saw everything go wrong."""

import os
import subprocess
import sys

import pytest

from nucleus.sim import run_seeds, simulate

SEEDS = 1_000
FULL_SEEDS = 10_000  # by `make test-full`
CHUNK = 100

FAULTS = {
    "lost request",
    "lost reply",
    "duplicated request",
    "slow message",
    "broken stream",
    "partition",
    "worker crash",
    "killed by a job",
    "dismissed worker",
    "frozen worker",
    "zombie",
    "replaced worker",
    "master crash",
    "frozen master",
    "take-over",
    "fenced master",
    "given up before it ran",
    "commit failed before COMMIT",
    "commit failed after COMMIT",
    "commit did not reach the disk",
    "history trimmed",
    "lookup",
    "stopped a run",
}
OUTCOMES = {
    "requeued: worker_lost",
    "requeued: replaced",
    "requeued: undelivered",
    "requeued: released",
    "requeued: failed",
    "rejected: stale_lease",
    "rejected: cancelled",
    "rejected: wrong_worker",
    "rejected: unknown_job",
    "refused: INVALID",
    "refused: QUEUE_FULL",
    "job failed: failed",
    "job failed: worker_lost",
    "job failed: replaced",
    "worker lost: silence",
    "worker lost: replaced",
    "WorkerLeft",
    "JobCompleted",
    "JobCancelled",
}


@pytest.mark.full
@pytest.mark.parametrize("first", range(SEEDS, FULL_SEEDS, CHUNK))
def test_every_promise_is_kept_in_many_more_worlds(first: int) -> None:
    assert run_seeds(range(first, first + CHUNK)).runs == CHUNK


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_is_kept_and_everything_went_wrong(first: int) -> None:
    summary = run_seeds(range(first, first + CHUNK))
    assert summary.runs == CHUNK
    assert summary.jobs > 20 * CHUNK
    exercised = {what for what, times in summary.exercised.items() if times}
    assert exercised >= FAULTS | OUTCOMES, (FAULTS | OUTCOMES) - exercised


def test_the_same_seed_tells_the_same_story() -> None:
    assert [simulate(7).digest for _ in range(2)] == [simulate(7).digest] * 2
    assert simulate(7).digest != simulate(8).digest


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_story_does_not_depend_on_the_process_that_tells_it(hash_seed: str) -> None:
    code = "from nucleus.sim import simulate; print(simulate(7).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == simulate(7).digest
