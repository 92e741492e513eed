"""Accidents that lessons stage: at the right moment, and as often as one likes."""

from collections.abc import Iterator

import pytest

from nucleus.cluster import Cluster
from nucleus.notebook.staging import await_alive, await_lost, curse, mend, wait_until


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=3, worker_timeout=1, dashboard=False, monitoring=False) as cluster:
        yield cluster


def test_waiting_ends_when_it_has_come_true() -> None:
    answers = iter([False, None, "yes"])
    wait_until(lambda: next(answers))
    assert list(answers) == []


def test_waiting_does_not_last_for_ever() -> None:
    with pytest.raises(TimeoutError, match="did not happen within 0 s"):
        wait_until(lambda: False, timeout=0)


def test_the_end_of_a_worker_is_waited_for_until_the_master_knows_it(cluster: Cluster) -> None:
    cluster.kill("worker-1")
    await_lost(cluster, ["worker-1"])
    states = {worker.name: worker.state for worker in cluster.client.workers()}
    assert states == {"worker-1": "lost", "worker-2": "alive", "worker-3": "alive"}


def test_a_cursed_job_takes_down_as_many_workers_as_it_has_attempts(cluster: Cluster) -> None:
    job = cluster.client.submit("Sleep", 600, max_attempts=2)
    dead = curse(cluster, job)
    assert "was lost; attempt 2 was the last" in str(job.exception())
    assert len(dead) == 2
    assert set(cluster.workers) == {"worker-1", "worker-2", "worker-3"} - set(dead)


def test_a_curse_ends_with_the_last_worker(cluster: Cluster) -> None:
    job = cluster.client.submit("Sleep", 600, max_attempts=100)
    assert sorted(curse(cluster, job)) == ["worker-1", "worker-2", "worker-3"]
    assert not job.done()


def test_a_mended_cluster_has_the_workers_that_it_began_with(cluster: Cluster) -> None:
    cluster.kill("worker-1")
    cluster.kill("worker-2", "pause")
    cluster.kill("worker-3", "partition")
    mend(cluster)
    assert sorted(cluster.workers) == ["worker-1", "worker-2", "worker-3"]
    assert list(cluster.client.map("Echo", range(6))) == list(range(6))
    await_alive(cluster, cluster.workers)
