"""How much faster jobs go when several of them run at once."""

import time
from collections.abc import Sequence

from nucleus.client import Client

RUNS = 2  # of each measurement; the quickest counts, for nothing makes a run too quick


def speed_ups(
    client: Client, job_type: str, payload: object, at_once: Sequence[int]
) -> list[tuple[float, float]]:
    """Run equal jobs, first one alone and then so many at once; the workers must be idle.

    Return pairs of how many at once, and the speed-up: how many times as many jobs were done
    in a second as by one after the other.
    """
    for handle in client.submit_many("Echo", range(max(at_once))):
        handle.result()  # every slot has run something, and is warm
    alone = _quickest(client, job_type, payload, 1)
    return [
        (jobs, 1.0 if jobs == 1 else jobs * alone / _quickest(client, job_type, payload, jobs))
        for jobs in at_once
    ]


def _quickest(client: Client, job_type: str, payload: object, jobs: int) -> float:
    return min(_seconds(client, job_type, payload, jobs) for _ in range(RUNS))


def _seconds(client: Client, job_type: str, payload: object, jobs: int) -> float:
    began = time.perf_counter()
    for handle in client.submit_many(job_type, [payload] * jobs):
        handle.result()
    return time.perf_counter() - began
