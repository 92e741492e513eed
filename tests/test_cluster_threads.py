"""A cluster in background threads: starts, breaks, heals, and leaves nothing behind."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests

from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.cluster.assembly import Assembly
from nucleus.cluster.network import Network
from nucleus.core.errors import FailedPrecondition, InvalidArgument, PortTaken
from nucleus.jobs import JobType, Registry
from nucleus.rpc import loop
from nucleus.services.master import Master
from tests.support import eventually, living_threads

SLOW = 0.4  # seconds: a job long enough to be in the middle of


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2) as running:
        yield running


def threads() -> set[str]:
    gc.collect()
    return {thread.name for thread in living_threads()}


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_a_stopped_cluster_leaves_no_thread_process_or_port() -> None:
    before = threads(), len(children())
    with Cluster(workers=2) as cluster:
        assert cluster.client.submit("Fibonacci", 15).result(60) == 610
        assert len(children()) >= 2
        address = cluster.address
    assert (threads(), len(children())) == before
    port = int(address.rpartition(":")[2])
    again = Master(port=port)
    again.start()
    again.stop()


def test_ways_may_be_asked_for_by_many_at_once_and_by_nobody_after_the_end() -> None:
    before, callers = threads(), 8
    together = threading.Barrier(callers)
    assembly = Assembly("test-ways", loop.acquire())
    try:

        def ask(_: int) -> Network:
            together.wait()
            return assembly.network("way", 1, 1)

        with ThreadPoolExecutor(callers) as pool:
            assert set(pool.map(ask, range(callers))) == {assembly.networks["way"]}
        assembly.end()
        for name in ("way", "another"):
            with pytest.raises(FailedPrecondition, match="stopped meanwhile"):
                assembly.network(name, 1, 1)
        assert assembly.networks == {}
    finally:
        loop.release()
    assert threads() == before


def test_starting_and_stopping_may_be_repeated() -> None:
    cluster = Cluster(workers=1)
    for _ in range(2):
        cluster.start()
        assert cluster.start() is cluster
        assert cluster.client.submit("Echo", "again").result(60) == "again"
        assert cluster.stop() == []
        assert cluster.stop() == []
    assert repr(cluster) == "<Cluster threads, stopped>"


def test_all_parts_answer_at_their_addresses(cluster: Cluster) -> None:
    cluster.client.submit("Echo", 1).result(60)
    assert requests.get(f"{cluster.dashboard_url}/healthz", timeout=60).status_code == 200
    assert eventually(lambda: "nucleus_worker_up" in metrics(cluster))
    assert eventually(lambda: 'job="nucleus_master",status="completed"} 1' in metrics(cluster))


def metrics(cluster: Cluster) -> str:
    return requests.get(cluster.scrape_url, timeout=60).text


def test_the_job_of_a_crashed_worker_is_done_by_another(cluster: Cluster) -> None:
    jobs = cluster.client.submit_many("Sleep", [SLOW] * 2)
    jobs[1].acknowledged()
    cluster.kill(cluster.workers[0])
    assert [job.result(60) for job in jobs] == [SLOW] * 2
    assert cluster.stats().requeued == {"worker_lost": 1}
    assert len(cluster.workers) == 1


def test_a_partitioned_worker_keeps_its_job_when_it_heals_in_time(cluster: Cluster) -> None:
    jobs = cluster.client.submit_many("Sleep", [SLOW] * 2)
    jobs[1].acknowledged()
    name = cluster.workers[0]
    cluster.kill(name, "partition")
    other = next(job for job in jobs if cluster.client.job(job.id).worker != name)
    assert other.result(60) == SLOW
    cluster.heal(name)
    assert [job.result(60) for job in jobs] == [SLOW] * 2
    assert cluster.stats().requeued == {}


def test_the_network_of_a_client_can_be_disturbed(cluster: Cluster) -> None:
    with Client(cluster.connect("me")) as client:
        assert client.submit("Echo", 1).result(60) == 1
        cluster.disturb("me", "partition")
        job = client.submit("Echo", 2)
        assert cluster.client.submit("Echo", 3).result(60) == 3
        assert not job.done()
        cluster.heal("me")
        assert job.result(60) == 2
        cluster.disturb("me", "drop")
        assert client.submit("Echo", 4).result(60) == 4


def test_a_dashboard_that_is_cut_off_says_so_and_comes_back(cluster: Cluster) -> None:
    cluster.disturb("dashboard", "partition")
    answer = requests.get(f"{cluster.dashboard_url}/healthz", timeout=60)
    assert answer.status_code == 503
    cluster.heal("dashboard")
    assert eventually(lambda: requests.get(f"{cluster.dashboard_url}/stats", timeout=60).ok)


def test_who_listens_hears_when_a_fault_begins_and_when_it_is_over(cluster: Cluster) -> None:
    heard: list[tuple[str, str, bool]] = []

    def listener(kind: str, target: str, over: bool) -> None:
        if not over or (kind, target, False) in heard:
            heard.append((kind, target, over))

    cluster.listen(listener)
    cluster.kill("worker-1", "mute")
    cluster.heal("worker-1")
    cluster.kill("worker-1", "pause")
    cluster.resume("worker-1")
    cluster.kill_part("dashboard")
    cluster.restart_part("dashboard")
    cluster.unlisten(listener)
    cluster.kill("worker-1")
    faults = [("mute", "worker-1"), ("freeze", "worker-1"), ("crash", "dashboard")]
    assert heard == [(*fault, over) for fault in faults for over in (False, True)]


def test_what_only_processes_can_do_is_refused_to_threads(cluster: Cluster) -> None:
    with pytest.raises(FailedPrecondition, match="master is no process of its own"):
        cluster.pause_part("master")
    with pytest.raises(FailedPrecondition, match="no process of its own"):
        cluster.take_over()
    with pytest.raises(FailedPrecondition, match="only a cluster of processes"):
        cluster.run_beside("another", "nucleus.services.monitoring", [])


def test_a_worker_can_be_added(cluster: Cluster) -> None:
    name = cluster.add_worker()
    assert name in cluster.workers
    assert any(worker.name == name for worker in cluster.client.workers())
    with pytest.raises(InvalidArgument, match="is taken"):
        cluster.add_worker(name)


def listeners() -> int:
    sockets = psutil.Process().net_connections("tcp")
    return sum(each.status == psutil.CONN_LISTEN for each in sockets)


def incarnation(cluster: Cluster, name: str) -> str:
    return next(w.incarnation for w in cluster.client.workers() if w.name == name)


def test_a_crashed_worker_leaves_no_port_and_its_name_is_free(cluster: Cluster) -> None:
    before = listeners()
    cluster.kill("worker-1")
    assert listeners() < before
    assert cluster.add_worker("worker-1") == "worker-1"
    assert listeners() == before
    assert cluster.workers == ["worker-2", "worker-1"]


def test_a_worker_that_cannot_start_leaves_no_port(cluster: Cluster) -> None:
    before = listeners()
    cluster._settings = replace(cluster._settings, executor="gpu")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="gpu is not known"):
        cluster.add_worker("refused")
    assert listeners() == before
    assert "refused" not in cluster.workers


class LongWay(Network):
    """Everything arrives late from the beginning, also the hello."""

    async def start(self) -> None:
        await super().start()
        self.disturb("slow")


@pytest.fixture
def late_hello(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called, it delays the hello of every worker that is started from then on."""
    return lambda: monkeypatch.setattr("nucleus.cluster.cluster.Network", LongWay)


def test_an_added_worker_is_not_mistaken_for_the_crashed_one_of_its_name(
    cluster: Cluster, late_hello: Callable[[], None]
) -> None:
    late_hello()
    crashed = incarnation(cluster, "worker-1")
    cluster.kill("worker-1")
    cluster.add_worker("worker-1")
    assert incarnation(cluster, "worker-1") != crashed


def test_a_started_cluster_has_its_own_workers_not_those_of_its_store(
    tmp_path: Path, late_hello: Callable[[], None]
) -> None:
    store = tmp_path / "ledger.db"
    with Cluster(workers=2, store=store) as first:
        first.kill("worker-1")
        first.kill("worker-2")
        crashed = {worker.incarnation for worker in first.client.workers()}
    late_hello()
    with Cluster(workers=2, store=store) as second:
        assert not crashed & {worker.incarnation for worker in second.client.workers()}


def test_a_name_that_was_given_is_not_made_up_again(cluster: Cluster) -> None:
    cluster.add_worker("worker-3")
    cluster.add_worker("worker-5")
    cluster.kill("worker-5")
    assert [cluster.add_worker(), cluster.add_worker()] == ["worker-4", "worker-6"]


def test_the_names_of_services_are_taken(cluster: Cluster) -> None:
    cluster.kill_part("dashboard")
    with pytest.raises(InvalidArgument, match="name: 'dashboard' is taken"):
        cluster.add_worker("dashboard")


def test_every_part_knows_the_types_of_the_registry_it_was_given() -> None:
    registry = Registry()
    registry.register(JobType("Twice", lambda n: 2 * n, "an integer", int, example=3))
    with Cluster(1, executor="thread", monitoring=False, registry=registry) as cluster:
        assert cluster.client.submit("Twice", 21).result(60) == 42
        document = requests.get(f"{cluster.dashboard_url}/openapi.json", timeout=60).text
    assert "Twice takes an integer" in document
    assert "Fibonacci" not in document


def test_a_registry_is_refused_where_parts_are_processes() -> None:
    with pytest.raises(InvalidArgument, match="registry: mode='processes' takes only the default"):
        Cluster(mode="processes", registry=Registry())


def test_faults_name_what_is_allowed(cluster: Cluster) -> None:
    with pytest.raises(InvalidArgument, match="worker: 'nobody' is not allowed; one of worker-1"):
        cluster.kill("nobody")
    with pytest.raises(InvalidArgument, match="how: 'tickle' is not allowed; one of crash, pause"):
        cluster.kill("worker-1", "tickle")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(FailedPrecondition, match="is running"):
        cluster.restart_part("master")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fibers"}, "mode: 'fibers' is not allowed; one of threads, processes"),
        ({"ports": "all"}, "ports: 'all' is not allowed"),
        ({"executor": "gpu"}, "executor: 'gpu' is not allowed; one of process, thread"),
        ({"workers": -1}, "workers: -1 is not allowed; 0 to 1000"),
    ],
)
def test_bad_settings_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Cluster(**options)  # type: ignore[arg-type]  # on purpose


def test_a_cluster_that_cannot_start_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threads()
    first = Cluster(workers=1, name="first").start()
    monkeypatch.setattr("nucleus.cluster.cluster.choose_ports", lambda *, standard: first._ports)
    with pytest.raises(PortTaken, match="is taken; stop the other program"):
        Cluster(workers=1, name="second").start()
    first.stop()
    assert threads() == before


def test_the_names_of_jobs_that_cannot_be_stopped_are_returned() -> None:
    cluster = Cluster(workers=1, executor="thread").start()
    cluster.client.submit("Sleep", 2).acknowledged()
    assert eventually(lambda: cluster.client.workers()[0].held == 1)
    eventually(lambda: cluster.client.page("RUNNING")[0])
    assert eventually(lambda: any("job-thread" in name for name in threads()))
    names = cluster.stop()
    assert [name.partition(": ")[2] for name in names] == ["Sleep"]
