"""How much faster jobs go when several of them run at once."""

import time
from collections.abc import Sequence

from nucleus.client import Client

ROUNDS = 3  # of all measurements; of each the quickest counts, for nothing makes one too quick


def speed_ups(
    client: Client, job_type: str, payload: object, at_once: Sequence[int]
) -> list[tuple[float, float]]:
    """Run equal jobs, one alone and so many at once; the workers must be idle.

    Return pairs of how many at once, and the speed-up: how many times as many jobs were done
    in a second as by one after the other.
    """
    for handle in client.submit_many("Echo", range(max(at_once))):
        handle.result()  # every slot has run something, and is warm
    counts = sorted({1, *at_once})
    # In turn, so that whatever else keeps the machine busy for a while slows down all of them.
    rounds = [[_seconds(client, job_type, payload, n) for n in counts] for _ in range(ROUNDS)]
    quickest = dict(zip(counts, map(min, zip(*rounds, strict=True)), strict=True))
    return [(jobs, jobs * quickest[1] / quickest[jobs]) for jobs in at_once]


def _seconds(client: Client, job_type: str, payload: object, jobs: int) -> float:
    began = time.perf_counter()
    for handle in client.submit_many(job_type, [payload] * jobs):
        handle.result()
    return time.perf_counter() - began
