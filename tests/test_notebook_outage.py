"""A part that is away for a while, and what that cost."""

from dataclasses import replace
from pathlib import Path

import pytest

from nucleus.cluster import Cluster, Recorder
from nucleus.core.errors import FailedPrecondition
from nucleus.history import History
from nucleus.history.checker import check as judge
from nucleus.notebook.outage import away, longest_gap, nothing_lost


def test_a_master_that_was_away_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    store = tmp_path / "jobs.db"
    cluster = Cluster(1, store=store, dashboard=False, monitoring=False)
    with cluster, Recorder(cluster) as recorder:
        jobs = cluster.client.submit_many("Sleep", [0.05] * 10)
        jobs[2].result(60)
        with away(cluster, "master"):
            jobs.append(cluster.client.submit("Echo", "late"))
        assert [job.exception(60) for job in jobs] == [None] * 11
        history = recorder.history(drained=True)
    verdict = judge(history)
    found = nothing_lost(verdict)
    assert found.ok, found.words
    for wrong in ({"lost": 1}, {"duplicated": 1}):
        assert not nothing_lost(replace(verdict, account=replace(verdict.account, **wrong))).ok
    assert found.words.startswith("11 jobs were acknowledged, 0 of them are lost")
    assert longest_gap(history) > 0.05


def test_a_part_comes_back_whatever_happened_meanwhile() -> None:
    with Cluster(0, dashboard=False) as cluster:
        with pytest.raises(ZeroDivisionError), away(cluster, "monitoring"):
            raise ZeroDivisionError
        with pytest.raises(FailedPrecondition, match="monitoring is running"):
            cluster.restart_part("monitoring")


def test_a_history_without_ends_has_no_gap_and_proves_nothing() -> None:
    with Cluster(1, dashboard=False, monitoring=False) as cluster, Recorder(cluster) as recorder:
        history = recorder.history()
    assert longest_gap(history) == 0.0
    assert not nothing_lost(judge(history)).ok
    assert not nothing_lost(judge(History())).ok
