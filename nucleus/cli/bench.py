"""``nucleus bench``: what a queue does with jobs that are no work at all.

- *throughput*: all jobs are submitted at once, each with a submit of its own; the time runs
  from the first submit to the last result.
- *latency*: one job at a time; the time runs from its submit to its result.
"""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nucleus.cli.options import connect, json_option
from nucleus.cli.output import console, print_json, table
from nucleus.core.errors import Unavailable
from nucleus.rpc.access import Access
from nucleus.services.common.options import access_options, host_port, option

if TYPE_CHECKING:
    from nucleus.client import Client

WARM_UP = 50  # jobs that do not count
PATIENCE = 60.0  # seconds to wait for any one result, or for all of them to come in


@click.command()
@option(
    "--master",
    type=host_port,
    metavar="HOST:PORT",
    envvar="NUCLEUS_MASTER",
    help="A running master to measure; a cluster of its own if not given.",
)
@access_options
@option("--jobs", type=click.IntRange(min=1), default=2000, help="Jobs to measure throughput with.")
@option("--samples", type=click.IntRange(min=2), default=200, help="Jobs to measure latency with.")
@option(
    "--workers",
    type=click.IntRange(1, 1000),
    default=2,
    help="Workers of its own cluster.",
)
@option(
    "--store",
    metavar="memory|PATH",
    help="Store of its own cluster; an SQLite file in the temp folder if not given.",
)
@json_option("bench")
def bench(
    master: str | None,
    access: Access,
    jobs: int,
    samples: int,
    workers: int,
    store: str | None,
    as_json: bool,
) -> None:
    """Measure jobs per second, and the time from submit to result.

    The jobs are of the type Echo, which is no work: this measures the queue itself. Each job is
    submitted by itself, and acknowledged when it is durable.

    \b
    Example: a cluster of its own, with four workers.
      nucleus bench --workers 4
    """
    measured = _running(master, access) if master else _own_cluster(workers, store)
    with measured as (client, about):
        report = {**about, **machine(), **measure(client, jobs, samples)}
    if as_json:
        print_json(report)
        return
    made = table("measured", "", right=("",))
    for name, value in rows(report):
        made.add_row(name, value)
    console().print(made)


@contextmanager
def _running(master: str, access: Access) -> Iterator[tuple["Client", dict[str, Any]]]:
    with connect(master, access) as client:
        workers = sum(worker.state == "alive" for worker in client.workers())
        if not workers:
            raise Unavailable(f"the master at {master} has no worker; start one: nucleus worker")
        yield client, {"master": master, "workers": workers, "store": "the master's"}


@contextmanager
def _own_cluster(workers: int, store: str | None) -> Iterator[tuple["Client", dict[str, Any]]]:
    from nucleus.cluster import Cluster

    with tempfile.TemporaryDirectory(prefix="nucleus-bench-") as folder:
        where = store or str(Path(folder, "bench.db"))
        with Cluster(
            workers, mode="processes", store=where, name="bench", dashboard=False, monitoring=False
        ) as cluster:
            kind = "memory" if store == "memory" else "SQLite"
            yield cluster.client, {"master": "its own", "workers": workers, "store": kind}


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {"cores": os.cpu_count(), "python": platform.python_version()}


def measure(client: "Client", jobs: int, samples: int) -> dict[str, Any]:
    """Return the throughput of ``jobs`` jobs and the latency of ``samples``."""
    _throughput(client, WARM_UP)
    latencies = sorted(_latency(client, number) for number in range(samples))
    seconds = _throughput(client, jobs)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {
        "jobs": jobs,
        "seconds": round(seconds, 4),
        "jobs_per_second": round(jobs / seconds, 1),
        "samples": samples,
        "latency_ms": {"p50": round(cuts[49] * 1000, 3), "p99": round(cuts[98] * 1000, 3)},
    }


def _throughput(client: "Client", jobs: int) -> float:
    began = time.perf_counter()
    handles = [client.submit("Echo", number) for number in range(jobs)]
    _, waiting = wait(handles, PATIENCE + jobs / 100)
    seconds = time.perf_counter() - began
    if waiting:
        raise Unavailable(f"{len(waiting)} of {jobs} results did not come in")
    for number, handle in enumerate(handles):
        _check(handle.result(), number)
    return seconds


def _latency(client: "Client", number: int) -> float:
    began = time.perf_counter()
    result = client.submit("Echo", number).result(PATIENCE)
    seconds = time.perf_counter() - began
    _check(result, number)
    return seconds


def _check(result: object, expected: object) -> None:
    if result != expected:
        raise AssertionError(f"Echo of {expected!r} is {result!r}")


def rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the report as rows of a table."""
    yield f"jobs/s, {report['jobs']} Echo jobs", f"{report['jobs_per_second']:,.0f}"
    latency = report["latency_ms"]
    yield f"submit to result, median of {report['samples']}", f"{latency['p50']:.2f} ms"
    yield "submit to result, 99th percentile", f"{latency['p99']:.2f} ms"
    yield "master", report["master"]
    yield "workers", str(report["workers"])
    yield "store", report["store"]
    yield "machine", f"{report['cores']} cores, Python {report['python']}"
