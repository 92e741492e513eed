"""The code of the lab about lost workers, in a real cluster; and messages that name their job."""

from concurrent.futures import wait

import nucleus
from nucleus.client.views import JobView
from nucleus.grading import Live
from nucleus.grading.labs.requeue import Standing
from nucleus.history.diagram import Arrow, Diagram
from tests.support import eventually


def recover(lost: list[Standing], waiting: list[Standing]) -> list[Standing]:
    return waiting + lost


def forget(lost: list[Standing], waiting: list[Standing]) -> list[Standing]:
    return waiting


forget.__name__ = recover.__name__  # a lab is found by the name


def lose_a_worker(live: Live, others: int) -> list[JobView]:
    """Kill the worker that has the first job; return how all jobs ended, the first one first."""
    with nucleus.Cluster(
        2, worker_timeout=2, monitoring=False, dashboard=False, rules=live.rules
    ) as cluster:
        first = cluster.client.submit("Sleep", 2)
        rest = cluster.client.submit_many("Sleep", [0.4] * others)
        eventually(lambda: cluster.client.job(first.id).worker)
        cluster.kill(cluster.client.job(first.id).worker)
        assert not wait([first, *rest], timeout=60).not_done
        return [cluster.client.job(job.id) for job in (first, *rest)]


def test_a_real_cluster_puts_what_comes_back_where_the_code_of_a_student_says() -> None:
    live = Live(recover)
    first, *rest = lose_a_worker(live, others=12)
    assert (first.started_at or 0) > max(view.started_at or 0 for view in rest)
    assert repr(live).endswith("Whether it was right, check() tells.")


def test_a_real_cluster_loses_nothing_when_the_code_of_a_student_does() -> None:
    live = Live(forget)
    assert {view.status for view in lose_a_worker(live, others=2)} == {"COMPLETED"}
    assert [finding.name for finding in live.findings] == ["nothing-is-lost"]


def test_messages_name_their_job_where_several_are_drawn() -> None:
    one = Arrow(1.0, 1.0, "client", "master", "submit", "sim-0000000007")
    two = Arrow(2.0, 2.0, "client", "master", "submit", "sim-0000000009")
    assert "7: submit" in Diagram(("client", "master"), (one, two), ()).text()
    assert "7" not in Diagram(("client", "master"), (one,), ()).text()
