"""A notebook that watches workers it cannot kill."""

import threading

import pytest

from nucleus.cluster import Cluster
from nucleus.notebook.containers import loss_of_a_worker
from nucleus.notebook.predict import ALONE
from tests.support import eventually


def test_the_loss_of_a_worker_is_waited_for_and_told_with_its_silence() -> None:
    with Cluster(2, dashboard=False, monitoring=False, worker_timeout=0.5) as cluster:
        eventually(lambda: len(cluster.client.workers()) == 2)
        killing = threading.Timer(0.1, cluster.kill, ("worker-2",))
        killing.start()
        loss = loss_of_a_worker(cluster.client, within=20)
        killing.join()
        assert loss.worker == "worker-2"
        assert loss.silence >= 0.5
        assert repr(loss).startswith("✓ The master gave up on worker-2 after ")
        # The one that was lost before is no news.
        again = loss_of_a_worker(cluster.client, within=0.1)
    assert repr(again).startswith("✗ Nobody was given up on.")


def test_where_nobody_is_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALONE, "1")
    with Cluster(1, dashboard=False, monitoring=False) as cluster:
        assert not loss_of_a_worker(cluster.client, within=3_600).worker
