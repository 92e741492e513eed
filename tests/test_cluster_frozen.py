"""A job whose last steps hold the interpreter's lock for longer than a worker may be silent."""

import pytest

from nucleus.cluster import Cluster
from nucleus.cluster.cluster import Mode

HUGE = 30_000_000  # FastFibonacci of it freezes every thread of its process for 14 s or so
PATIENCE = 240.0  # seconds


@pytest.mark.long
@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_a_worker_that_a_job_freezes_is_survived(mode: Mode) -> None:
    plain = Cluster(1, executor="thread", mode=mode, dashboard=False, monitoring=False)
    with plain as cluster:
        job = cluster.client.submit("FastFibonacci", HUGE, max_attempts=1)
        error = job.exception(PATIENCE)
        assert error is None or "lost" in str(error)  # the worker may have been buried alive
        after = cluster.client.submit("Echo", "I was never away")
        assert after.result(PATIENCE) == "I was never away"
        assert [worker.state for worker in cluster.client.workers()] == ["alive"]
        jobs = cluster.stats().jobs
        assert jobs["QUEUED"] + jobs["RUNNING"] == 0
        assert jobs["COMPLETED"] + jobs["FAILED"] == 2
