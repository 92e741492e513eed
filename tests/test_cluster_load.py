"""Two hundred connections that submit at the same time."""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
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
GROWTH = 1.2  # what is allocated lazily, and the jobs in hand


async def submit_by_grpc(address: str, until: float) -> list[str]:
    """Submit one after the other over a connection of its own."""
    ids = []
    channel = open_channel(address)
    stub = JobQueueServiceStub(channel)
    spec = pb.JobSpec(job_type="Echo", payload="1")
    while time.monotonic() < until:
        reply = await stub.SendJob(spec, timeout=60, wait_for_ready=True)
        ids.append(reply.job_id)
    await channel.close()
    return ids


def submit_by_rest(url: str, until: float) -> list[str]:
    """The same through the dashboard."""
    ids = []
    with requests.Session() as session:
        while time.monotonic() < until:
            body = {"job_type": "Echo", "payload": 1}
            reply = session.post(f"{url}/submit_job", json=body, timeout=60)
            assert reply.status_code == 200, reply.text
            ids.append(reply.json()["job_id"])
    return ids


async def all_by_grpc(address: str) -> list[list[str]]:
    until = time.monotonic() + SECONDS
    return await asyncio.gather(*(submit_by_grpc(address, until) for _ in range(CONNECTIONS)))


def grpc_load(cluster_address: str, _: str) -> list[list[str]]:
    """Submit from all connections; return the ids of each."""
    return loop.acquire().run(all_by_grpc(cluster_address))


def rest_load(_: str, dashboard_url: str) -> list[list[str]]:
    """Submit from all connections; return the ids of each."""
    until = time.monotonic() + SECONDS
    threads = DaemonThreads(CONNECTIONS, "submitter")
    calls = [threads.submit(submit_by_rest, dashboard_url, until) for _ in range(CONNECTIONS)]
    return [call.result(SECONDS + 60) for call in calls]


@pytest.mark.long
@pytest.mark.parametrize("load", [grpc_load, rest_load])
def test_two_hundred_submitting_connections_lose_nothing_and_memory_stays_flat(
    load: Callable[[str, str], list[list[str]]], tmp_path: Path
) -> None:
    # The load has a process of its own: in this one it would slow the workers' network down.
    spawn = multiprocessing.get_context("spawn")
    with (
        Cluster(2, mode="processes", store=tmp_path / "ledger.db", executor="thread") as cluster,
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
    ):
        began = time.monotonic()
        answers = pool.submit(load, cluster.address, cluster.dashboard_url)
        eventually(lambda: time.monotonic() > began + WARM, timeout=60, interval=1)
        warm = resident(cluster)
        ids = list(itertools.chain.from_iterable(answers.result(SECONDS + 60)))
        now = resident(cluster)
        assert len(set(ids)) == len(ids) > CONNECTIONS
        eventually(lambda: cluster.stats().jobs["COMPLETED"] == len(ids))
        assert cluster.stats().submitted == len(ids)
        assert {
            name: now[name] / warm[name] for name in now if now[name] > GROWTH * warm[name]
        } == {}


def resident(cluster: Cluster) -> dict[str, int]:
    """Bytes of memory that each part holds."""
    return {name: psutil.Process(pid).memory_info().rss for name, pid in cluster.pids.items()}
