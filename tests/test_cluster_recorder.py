"""The recorder: what happens in a running cluster becomes a history, and nothing is missed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nucleus.cluster import Cluster
from nucleus.cluster.recorder import Recorder
from nucleus.core.errors import AlreadyExists, JobFailed, LedgerLost
from nucleus.core.events import JobCompleted, WorkerLost
from nucleus.core.news import Acknowledged, Ended, Lost, Refused
from nucleus.history import History
from nucleus.history.checker import check
from nucleus.history.observations import (
    Beat,
    CancelAnswered,
    Fault,
    Observation,
    Serving,
    Submitted,
    Told,
    Unanswered,
)
from tests.support import eventually

TIMEOUT = 1.0  # seconds
Seen = TypeVar("Seen", bound=Observation)


@contextmanager
def recorded(workers: int = 2, **options: Any) -> Iterator[tuple[Cluster, Recorder]]:
    """A small cluster in threads, and who records it."""
    with (
        Cluster(
            workers,
            worker_timeout=TIMEOUT,
            executor="thread",
            dashboard=False,
            monitoring=False,
            **options,
        ) as cluster,
        Recorder(cluster) as recorder,
    ):
        yield cluster, recorder


def seen(history: History, kind: type[Seen]) -> list[Seen]:
    return [each for each in history.observations if isinstance(each, kind)]


def news(history: History, seq: int) -> list[str]:
    """What a submit was told, by kind, in order."""
    return [type(told.news).__name__ for told in seen(history, Told) if told.client_seq == seq]


def state(cluster: Cluster, worker: str) -> str:
    return {each.name: each.state for each in cluster.client.workers()}[worker]


def numbers(history: History) -> list[int]:
    return [committed.event.seq for committed in history.events()]


def epochs(history: History) -> list[int]:
    return [serving.epoch for serving in seen(history, Serving)]


def await_epoch(recorder: Recorder, epoch: int) -> None:
    eventually(lambda: epochs(recorder.history(complete=False))[-1] == epoch)


def test_the_view_of_the_client_is_recorded() -> None:
    with recorded() as (cluster, recorder):
        client = cluster.client
        assert client.submit("Echo", {"a": "ä"}, idempotency_key="k").result(60) == {"a": "ä"}
        with pytest.raises(JobFailed):
            client.submit("Flaky", {"p": 1}, max_attempts=1).result(60)
        with pytest.raises(AlreadyExists):
            client.submit("Echo", 2, idempotency_key="k").result(60)
        slow = client.submit("Sleep", 5, delay=60)
        assert slow.acknowledged(60) and slow.cancel()
        again = client.retry(slow.id)
        client.cancel(again.id)
        eventually(again.done)
        history = recorder.history()
    asked = seen(history, Submitted)
    assert [(s.client_seq, s.job_type, s.payload) for s in asked] == [
        (1, "Echo", '{"a": "\\u00e4"}'),
        (2, "Flaky", '{"p": 1}'),
        (3, "Echo", "2"),
        (4, "Sleep", "5"),
    ]
    told = ["Acknowledged", "Ended"]
    assert [news(history, seq) for seq in range(1, 6)] == [told, told, ["Refused"], told, told]
    assert [c.answer for c in seen(history, CancelAnswered)] == ["cancelled", "cancelled"]
    verdict = check(history)
    assert verdict.ok, verdict.text()
    assert verdict.results["clients-hear-the-truth"].cases == 4


def test_what_was_taken_back_certainly_did_not_happen() -> None:
    with recorded() as (cluster, recorder):
        cluster.client.submit("Echo", 1).result(60)
        cluster.kill_part("master")
        handle = cluster.client.submit("Echo", 2)
        while not cluster.client.withdraw(handle):  # it may be on its way, in vain
            handle = cluster.client.submit("Echo", 2)
        cluster.restart_part("master")
        eventually(handle.done)
        cluster.client.flush(60)
        history = recorder.history()
    answers = {told.client_seq: told.news for told in seen(history, Told)}
    assert answers[handle.client_seq] == Unanswered(handle.client_seq, definite=True)


def test_no_event_is_missed_while_the_master_is_killed(tmp_path: Path) -> None:
    store = tmp_path / "ledger.db"
    with recorded(store=store) as (cluster, recorder):
        handles = cluster.client.submit_many("Echo", range(50))
        for epoch in (2, 3):
            cluster.kill_part("master")
            cluster.restart_part("master")
            await_epoch(recorder, epoch)  # killed any sooner, it would tell nobody that it serves
            handles += cluster.client.submit_many("Echo", range(50))
        assert all(handle.result(60) is not None for handle in handles)
        history = recorder.history(drained=True)
    with closing(sqlite3.connect(store)) as connection:
        stored = [seq for (seq,) in connection.execute("SELECT seq FROM history ORDER BY seq")]
    assert numbers(history) == stored[: len(numbers(history))]
    assert numbers(history) == list(range(1, len(numbers(history)) + 1))
    assert epochs(history) == [1, 2, 3]
    assert history.tables is not None and len(history.tables.rows) == 150
    verdict = check(history)
    assert verdict.ok, verdict.text()
    assert verdict.account.acknowledged == 150


def test_what_happened_before_the_recorder_came_is_in_the_history() -> None:
    with Cluster(1, executor="thread", dashboard=False, monitoring=False) as cluster:
        cluster.client.submit("Echo", 1).result(60)
        with Recorder(cluster) as recorder:
            history = recorder.history()
    assert numbers(history)[0] == 1
    assert sum(type(c.event).__name__ == "JobCompleted" for c in history.events()) == 1


def test_for_pictures_only_what_happened_since_the_recorder_came_is_kept() -> None:
    with Cluster(1, executor="thread", dashboard=False, monitoring=False) as cluster:
        cluster.client.submit("Echo", 1).result(60)
        with Recorder(cluster) as recorder:
            second = cluster.client.submit("Echo", 2)
            second.result(60)
            history = recorder.recent()
    jobs = {c.event.job_id for c in history.events() if isinstance(c.event, JobCompleted)}
    assert jobs == {second.id}
    assert seen(history, Serving) == []


def test_a_heartbeat_is_recorded_once_although_the_totals_tell_of_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nucleus.cluster.recorder.COUNT", 0.02)
    with recorded(1) as (_, recorder):

        def beats() -> list[float]:
            return [beat.at for beat in seen(recorder.history(), Beat)]

        eventually(lambda: len(beats()) >= 4)
        gaps = [after - before for before, after in pairwise(beats())]
    assert min(gaps) > 0.1 * TIMEOUT


def test_faults_are_recorded_with_their_times_and_their_consequences() -> None:
    with recorded() as (cluster, recorder):
        cluster.kill("worker-1", "mute")
        eventually(
            lambda: {w.name: w.state for w in cluster.client.workers()}["worker-1"] == "lost"
        )
        cluster.heal("worker-1")
        cluster.kill("worker-2", "partition")
        history = recorder.history()
    mute, partition = seen(history, Fault)
    assert (mute.kind, mute.target) == ("mute", "worker-1")
    assert (partition.kind, partition.until) == ("partition", None)
    [lost] = [c.event for c in history.events() if isinstance(c.event, WorkerLost)]
    beats = [b.at for b in seen(history, Beat) if b.worker == "worker-1" and b.at < lost.at]
    assert beats and lost.at - max(beats) > TIMEOUT
    assert mute.until is not None and mute.at < lost.at < mute.until
    assert check(history).results["the-living-are-not-buried"].cases == 1


def test_every_heartbeat_is_recorded_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nucleus.cluster.recorder.COUNT", 1000.0)
    with recorded(1) as (_, recorder):

        def beats() -> set[float]:
            return {beat.at for beat in seen(recorder.history(), Beat)}

        assert eventually(lambda: len(beats()) >= 5)


def test_a_ledger_that_forgets_is_found_out() -> None:
    with recorded() as (cluster, recorder):
        before = cluster.client.submit("Sleep", 0.01, delay=60)
        before.acknowledged(60)
        cluster.kill_part("master")
        cluster.restart_part("master")
        with pytest.raises(LedgerLost):
            before.result(60)
        cluster.client.submit("Echo", 1).result(60)
        history = recorder.history()
    verdict = check(history)
    assert [result.invariant.name for result in verdict.broken] == ["acknowledged-is-kept"]
    assert verdict.account.lost == 1
    kinds = {type(told.news) for told in seen(history, Told)}
    assert kinds == {Acknowledged, Ended, Lost}


def test_a_history_survives_its_file(tmp_path: Path) -> None:
    with recorded() as (cluster, recorder):
        cluster.client.submit("Echo", 1).result(60)
        history = recorder.history()
    history.save(tmp_path / "run.jsonl.gz")
    assert History.load(tmp_path / "run.jsonl.gz") == history


def test_afterwards_the_cluster_has_its_own_client_again() -> None:
    with Cluster(1, executor="thread", dashboard=False, monitoring=False) as cluster:
        own = cluster.client
        with Recorder(cluster):
            assert cluster.client is not own
        assert cluster.client is own
        assert own.submit("Echo", 1).result(60) == 1


def test_a_submit_that_is_refused_here_is_not_recorded() -> None:
    with recorded() as (cluster, recorder):
        with pytest.raises(ValueError, match="payload"):
            cluster.client.submit("Fibonacci", -1)
        cluster.client.submit("Echo", 1).result(60)
        history = recorder.history()
    assert [s.client_seq for s in seen(history, Submitted)] == [1]
    assert not [told for told in seen(history, Told) if isinstance(told.news, Refused)]
