"""Two hundred connections that submit at the same time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import requests

from nucleus.cluster import Cluster
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc import loop
from nucleus.rpc.channel import open_channel
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.common.threads import DaemonThreads
from tests.support import eventually

CONNECTIONS = 200
SECONDS = 30.0
WARM = 10.0  # seconds after which memory must have levelled off
GROWTH = 1.25  # what is allocated lazily, and the jobs in hand


async def submit_by_grpc(address: str, until: Callable[[], bool]) -> list[str]:
    """Submit one after the other over a connection of its own."""
    ids = []
    channel = open_channel(address)
    stub = JobQueueServiceStub(channel)
    spec = pb.JobSpec(job_type="Echo", payload="1")
    while not until():
        reply = await stub.SendJob(spec, timeout=20, wait_for_ready=True)
        ids.append(reply.job_id)
    await channel.close()
    return ids


def submit_by_rest(url: str, until: Callable[[], bool]) -> list[str]:
    """The same through the dashboard."""
    ids = []
    with requests.Session() as session:
        while not until():
            body = {"job_type": "Echo", "payload": 1}
            reply = session.post(f"{url}/submit_job", json=body, timeout=20)
            assert reply.status_code == 200, reply.text
            ids.append(reply.json()["job_id"])
    return ids


async def all_by_grpc(cluster: Cluster, until: Callable[[], bool]) -> list[list[str]]:
    calls: list[Awaitable[list[str]]] = [
        submit_by_grpc(cluster.address, until) for _ in range(CONNECTIONS)
    ]
    return await asyncio.gather(*calls)


def all_by_rest(cluster: Cluster, until: Callable[[], bool]) -> list[list[str]]:
    threads = DaemonThreads(CONNECTIONS, "submitter")
    calls = [
        threads.submit(submit_by_rest, cluster.dashboard_url, until) for _ in range(CONNECTIONS)
    ]
    return [call.result(SECONDS + 60) for call in calls]


@pytest.mark.long
@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_two_hundred_submitting_connections_lose_nothing_and_memory_stays_flat(
    way: str, tmp_path: Path
) -> None:
    running = loop.acquire()
    with Cluster(2, mode="processes", store=tmp_path / "ledger.db", executor="thread") as cluster:
        began = running.loop.time()
        warm: dict[str, int] = {}

        def until() -> bool:
            elapsed = running.loop.time() - began
            if elapsed > WARM and not warm:
                warm.update(resident(cluster))
            return elapsed > SECONDS

        if way == "grpc":
            answers = running.run(all_by_grpc(cluster, until), SECONDS + 60)
        else:
            answers = all_by_rest(cluster, until)
        ids = list(itertools.chain.from_iterable(answers))
        assert all(answers)
        assert len(set(ids)) == len(ids)
        eventually(lambda: cluster.stats().jobs["COMPLETED"] == len(ids), timeout=60)
        assert cluster.stats().submitted == len(ids)
        grown = {n: now / warm[n] for n, now in resident(cluster).items() if now > GROWTH * warm[n]}
        assert grown == {}
    loop.release()


def resident(cluster: Cluster) -> dict[str, int]:
    """Bytes of memory that each part holds."""
    return {name: psutil.Process(pid).memory_info().rss for name, pid in cluster.pids.items()}
