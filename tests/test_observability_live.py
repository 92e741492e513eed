"""A real cluster, busy and broken, under the real Prometheus of the lab: every panel has data."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from nucleus.client import JobHandle
from nucleus.cluster import Cluster
from tests.observability_support import Question, lab_prometheus, questions
from tests.support import Prometheus, eventually


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Four workers that are soon lost, on a store that outlives a master."""
    store = tmp_path / "ledger.db"
    with Cluster(4, store=store, worker_timeout=1.5, executor="thread", dashboard=False) as cluster:
        yield cluster


def test_every_question_of_every_panel_has_an_answer(cluster: Cluster) -> None:
    target = cluster.scrape_url.removeprefix("http://").removesuffix("/metrics")
    with lab_prometheus(target) as prometheus:
        everybody = "count(nucleus_worker_slots) == 4 and on () nucleus_master_epoch"
        eventually(lambda: prometheus.query(everybody), 30)
        lose_a_worker(cluster)
        have_a_late_result_refused(cluster)
        replace_the_master(cluster)
        open_questions = [
            *questions(),
            Question("alert", 'ALERTS{alertname="NucleusWorkerDown"}', False),
        ]
        assert len(open_questions) > 50

        def all_answered() -> bool:
            give_work(cluster)
            open_questions[:] = [q for q in open_questions if not answered(prometheus, q)]
            return not open_questions

        try:
            eventually(all_answered, timeout=60, interval=0.5)
        except AssertionError:
            raise AssertionError(f"no data for {open_questions}") from None


def answered(prometheus: Prometheus, question: Question) -> bool:
    """Whether there is a number; for a mark, whether it showed at any time so far."""
    promql = question.promql
    if question.is_mark:
        promql = f"max_over_time(({promql})[10m:1s]) > 0"
    return any(not math.isnan(value) for _, value in prometheus.query(promql))


def give_work(cluster: Cluster) -> None:
    """Jobs that complete, one that fails and is tried again, and one that is cancelled."""
    client = cluster.client
    client.submit_many("Sleep", [0.01] * 10)
    client.submit_many("Echo", range(10))
    client.submit("Flaky", {"p": 1}, max_attempts=2)
    client.submit("Echo", "later", delay=60).cancel()


def lose_a_worker(cluster: Cluster) -> None:
    """Kill one that runs a job, and wait until the job waits again."""
    worker = runs_on(cluster, cluster.client.submit("Sleep", 1, max_attempts=5))
    cluster.kill(worker)
    eventually(lambda: cluster.stats().requeued.get("worker_lost"), 30)


def have_a_late_result_refused(cluster: Cluster) -> None:
    """Freeze a worker until its job has been given to another, and wake it."""
    job = cluster.client.submit("Sleep", 0.5)
    worker = runs_on(cluster, job)
    cluster.kill(worker, "pause")
    job.result(60)
    cluster.resume(worker)
    eventually(lambda: cluster.stats().rejected.get("stale_lease"), 30)


def replace_the_master(cluster: Cluster) -> None:
    """Kill it, and start it again under the next epoch."""
    epoch = cluster.stats().epoch
    cluster.kill_part("master")
    cluster.restart_part("master")
    assert cluster.stats().epoch == epoch + 1


def runs_on(cluster: Cluster, job: JobHandle) -> str:
    """Return the worker that has begun the job."""
    identity = job.id
    return eventually(lambda: cluster.client.job(identity).worker, 30)
