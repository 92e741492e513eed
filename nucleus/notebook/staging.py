"""What a lesson needs to stage an accident at the right moment, and once more.

* ``wait_until``   wait for something to become true, but not for ever
* ``await_alive``  wait until the master counts on these workers
* ``await_lost``   wait until the master has given up on these workers
* ``mend``         make a broken cluster what it was when it started
* ``curse``        let a job take down every worker that runs it
"""

import time
from collections.abc import Callable, Collection

from nucleus.client import JobHandle
from nucleus.cluster import Cluster

PATIENCE = 60.0  # seconds: on a machine that has much else to do
LOOK = 0.02  # seconds between two looks


def wait_until(condition: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true; raises ``TimeoutError`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"what was waited for did not happen within {timeout:g} s")
        time.sleep(LOOK)


def await_alive(cluster: Cluster, names: Collection[str]) -> None:
    """Wait until the master counts on each of these workers, and has a session with it."""

    def missing() -> set[str]:
        workers = cluster.client.workers()
        return set(names) - {w.name for w in workers if w.state == "alive" and w.connected}

    wait_until(lambda: not missing())


def await_lost(cluster: Cluster, names: Collection[str]) -> None:
    """Wait until the master has given up on each of these workers."""

    def lost() -> set[str]:
        return {worker.name for worker in cluster.client.workers() if worker.state == "lost"}

    wait_until(lambda: lost() >= set(names))


def mend(cluster: Cluster) -> None:
    """Heal, wake and replace the workers that ``cluster`` began with.

    An experiment that begins with this can be run as often as one likes.
    """
    names = [f"worker-{number}" for number in range(1, cluster.about["workers"] + 1)]
    for name in names:
        if name in cluster.workers:
            cluster.resume(name)
            cluster.heal(name)
        else:
            cluster.add_worker(name)
    await_alive(cluster, names)


def curse(cluster: Cluster, job: JobHandle) -> list[str]:
    """Kill each worker that is given ``job``, until the job ends or no worker is left.

    A job that takes its worker down for real, as one that uses up all memory does, would take
    down with it the computer on which all of a lesson runs. Return the dead, in order.
    """
    dead: list[str] = []
    while cluster.workers and not job.done():
        seen = cluster.client.job(job.id)
        if seen.status == "RUNNING" and seen.worker in cluster.workers:
            cluster.kill(seen.worker)
            dead.append(seen.worker)
        time.sleep(LOOK)
    return dead
