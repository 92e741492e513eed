"""A cluster of real processes, killed for real."""

import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

import psutil
import pytest
import requests

from nucleus.client import Client, JobHandle
from nucleus.cluster import Cluster
from nucleus.cluster.parts import ProcessPart
from nucleus.core.errors import NucleusError
from nucleus.core.events import JobCompleted
from nucleus.services.common.main import Exit
from tests.support import eventually, running_master

JOBS = 300


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(3, mode="processes", store=tmp_path / "ledger.db") as running:
        yield running


def fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def payloads(count: int = JOBS) -> list[int]:
    return [14 + i % 9 for i in range(count)]


def check(cluster: Cluster, jobs: list[JobHandle]) -> None:
    """Every handle has the right result, and the ledger adds up."""
    wrong = [j for j in jobs if j.result(60) != fibonacci(j.payload)]
    assert wrong == []
    stats = cluster.stats()
    assert stats.jobs["COMPLETED"] == stats.submitted == len(jobs)
    assert sum(stats.jobs.values()) == stats.submitted


def while_submitting(cluster: Cluster, fault: Callable[[], None]) -> list[JobHandle]:
    """Submit from a client that keeps going; the fault comes after a third of the jobs."""
    jobs: list[JobHandle] = []
    for number, payload in enumerate(payloads()):
        if number == JOBS // 3:
            jobs[0].acknowledged(60)
            thread = threading.Thread(target=fault)
            thread.start()
        jobs.append(cluster.client.submit("Fibonacci", payload))
    thread.join()
    return jobs


@pytest.mark.long
def test_nothing_is_lost_when_a_worker_is_killed(cluster: Cluster) -> None:
    jobs = while_submitting(cluster, lambda: cluster.kill(cluster.workers[0]))
    check(cluster, jobs)


@pytest.mark.parametrize("part", ["dashboard", "monitoring"])
def test_nothing_is_lost_when_a_service_beside_the_master_is_killed(
    cluster: Cluster, part: str
) -> None:
    jobs = while_submitting(cluster, lambda: cluster.kill_part(part))
    check(cluster, jobs)
    cluster.restart_part(part)  # type: ignore[arg-type]
    assert requests.get(f"{cluster.dashboard_url}/healthz", timeout=60).status_code == 200


def test_every_acknowledged_job_ends_once_when_the_master_is_killed(cluster: Cluster) -> None:
    def kill_and_restart() -> None:
        cluster.kill_part("master")
        cluster.restart_part("master")

    epoch = cluster.stats().epoch
    jobs = while_submitting(cluster, kill_and_restart)
    check(cluster, jobs)
    assert cluster.stats().epoch == epoch + 1
    history = cluster.client.watch(from_seq=1, kinds=["JobCompleted"])
    completed = [e.job_id for e in islice(history, len(jobs)) if isinstance(e, JobCompleted)]
    assert len(set(completed)) == len(jobs)


@pytest.mark.long
def test_the_late_result_of_a_frozen_worker_is_refused(cluster: Cluster) -> None:
    wait([*cluster.client.submit_many("Sleep", [0.2] * 3)])  # every child process is warm
    job = cluster.client.submit("Sleep", 1)
    eventually(lambda: time.time() > (cluster.client.job(job.id).started_at or math.inf) + 0.3)
    frozen = cluster.client.job(job.id).worker
    cluster.kill(frozen, "pause")
    assert job.result(40) == 1
    cluster.resume(frozen)
    assert eventually(lambda: cluster.stats().rejected == {"stale_lease": 1})
    assert cluster.client.job(job.id).worker != frozen
    counted = 'nucleus_results_rejected_total{instance="master",job="nucleus_master",reason='
    line = f'{counted}"stale_lease"}} 1'
    assert eventually(lambda: line in requests.get(cluster.scrape_url, timeout=60).text)


def test_a_master_that_was_replaced_while_it_was_frozen_ends(cluster: Cluster) -> None:
    with Client(cluster.connect("me")) as client:
        before = client.submit("Echo", 1)
        assert before.result(60) == 1
        address, earlier = cluster.address, cluster.take_over()
        assert cluster.address != address
        assert cluster.client.job(before.id).status == "COMPLETED"
        cluster.resume_part(earlier)
        assert cluster.await_end(earlier, 20) == Exit.FAILED
        assert client.submit("Echo", 2).result(60) == 2
    assert cluster.client.stats().epoch == 2
    assert earlier not in cluster.pids


def test_a_master_that_cannot_be_replaced_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    before = cluster.address, cluster.pids["master"]
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(NucleusError, match="database is locked"):
            cluster.take_over()
    assert (cluster.address, cluster.pids["master"]) == before
    assert cluster.client.submit("Echo", 1).result(60) == 1


def test_another_program_ends_with_the_cluster(cluster: Cluster) -> None:
    options = ["--push-port", "0", "--scrape-port", "0"]
    cluster.run_beside("another", "nucleus.services.monitoring", options)
    pid = cluster.pids["another"]
    cluster.ask_to_stop("another")
    assert cluster.await_end("another", 10) == Exit.DONE
    cluster.run_beside("another", "nucleus.services.monitoring", options)
    assert cluster.await_end("another", 0.0) is None
    assert cluster.pids["another"] != pid
    pid = cluster.pids["another"]
    cluster.stop(at_once=True)
    assert not psutil.pid_exists(pid)


def test_stopping_leaves_no_process_port_or_file(tmp_path: Path) -> None:
    others = set(psutil.Process().children(recursive=True))
    cluster = Cluster(2, mode="processes", store=tmp_path / "ledger.db").start()
    cluster.client.submit("Echo", 1).result(60)
    family = set(psutil.Process().children(recursive=True)) - others
    assert family
    folder = cluster._folder
    cluster.kill(cluster.workers[0], "pause")
    cluster.stop()
    psutil.wait_procs(family, timeout=60)
    assert [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert not folder.exists()


def test_the_master_stays_until_a_slow_worker_has_said_goodbye(tmp_path: Path) -> None:
    store = tmp_path / "ledger.db"
    cluster = Cluster(1, mode="processes", store=store, dashboard=False, monitoring=False)
    with cluster:
        cluster.kill("worker-1", "slow")
    with running_master(str(store)) as master, Client(f"127.0.0.1:{master.port}") as client:
        assert [worker.state for worker in client.workers()] == ["left"]


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Make this process hold every descriptor up to 1,100."""
    count = 1100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * count:
        pytest.skip(f"needs {2 * count} open files; ulimit -Hn says {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * count), hard))
    with ExitStack() as stack:
        while (descriptor := os.open(os.devnull, os.O_RDONLY)) < count:
            stack.callback(os.close, descriptor)
        os.close(descriptor)
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_part_starts_beside_more_than_a_thousand_open_files(tmp_path: Path) -> None:
    ports = ["--push-port", "0", "--scrape-port", "0"]
    part = ProcessPart("monitoring", "nucleus.services.monitoring", ports, tmp_path)
    part.launch()
    try:
        part.wait_ready()
    finally:
        part.crash()


def test_the_parts_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from nucleus.cluster import Cluster; c = Cluster(1, mode='processes').start();"
        "print(*c.pids.values(), flush=True); sys.stdin.read()"
    )
    owner = psutil.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 4
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    owner.stdout.close()
    owner.stdin.close()
