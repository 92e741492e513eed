"""What Prometheus sees of a real cluster, one of whose workers is killed."""

import subprocess
from collections.abc import Iterator
from functools import partial
from typing import get_args

import pytest
import requests

from nucleus.cluster import Cluster
from nucleus.cluster.cluster import Mode
from tests.support import Prometheus, eventually, require, running_prometheus


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[Cluster, Prometheus]]:
    with Cluster(workers=3) as cluster:
        target = cluster.scrape_url.removeprefix("http://").removesuffix("/metrics")
        with running_prometheus([target]) as prometheus:
            yield cluster, prometheus


def test_prometheus_answers_for_depth_age_and_a_worker_that_was_killed(
    watched: tuple[Cluster, Prometheus],
) -> None:
    cluster, prometheus = watched
    waiting = cluster.client.submit_many("Sleep", [60] * 8)
    cluster.client.flush(60)
    depth = 'nucleus_jobs{status="queued"}'
    eventually(lambda: prometheus.query(f"{depth} >= 5"))
    age = "time() - nucleus_worker_last_heartbeat_timestamp_seconds"
    assert eventually(lambda: len(prometheus.query(f"{age} < 5")) == 3)
    assert prometheus.query("nucleus_worker_up == 0") == []
    victim = cluster.workers[0]
    cluster.kill(victim)
    down = eventually(lambda: prometheus.query("nucleus_worker_up == 0"))
    assert [labels["worker"] for labels, _ in down] == [victim]
    lost = 'nucleus_workers{state="lost"} == 1'
    assert eventually(lambda: prometheus.query(lost))
    requeued = 'nucleus_jobs_requeued_total{reason="worker_lost"} >= 1'
    assert eventually(lambda: prometheus.query(requeued))
    for job in waiting:
        job.cancel()


def test_promtool_finds_nothing_to_say_about_the_scrape_endpoint(
    watched: tuple[Cluster, Prometheus],
) -> None:
    cluster, _ = watched
    cluster.client.submit("Echo", 1).result(60)
    promtool = require("promtool", "prometheus")
    for name in ("nucleus_job_run_seconds", "nucleus_worker_slots", "nucleus_master_epoch"):
        eventually(partial(is_exposed, cluster, name))
    text = scrape(cluster)
    check = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")


@pytest.mark.parametrize("mode", get_args(Mode))
def test_monitoring_is_as_patient_as_the_master(mode: Mode) -> None:
    with Cluster(1, mode=mode, dashboard=False, worker_timeout=30.0) as cluster:
        eventually(partial(is_exposed, cluster, "# HELP nucleus_worker_up "))
        assert "saw a push from the worker within 30 seconds" in scrape(cluster)


def is_exposed(cluster: Cluster, name: str) -> bool:
    return name in scrape(cluster)


def scrape(cluster: Cluster) -> str:
    return requests.get(cluster.scrape_url, timeout=60).text
