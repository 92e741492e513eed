"""Is a master as fast with a big ledger as with a small one? ``python -m benchmarks.big_ledger``.

Two files are filled by SQL: a small one, and one with as many queued and finished jobs as are
asked for. A master is started on each, measured, and the two are printed side by side.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import grpc

from benchmarks.processes import Broken, Processes, free_port, script, usage
from nucleus.client import Client
from nucleus.core.job import job_number, make_job_id
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.worker import Worker
from nucleus.stores import SqliteStore

SMALL = (2_000, 200_000)  # queued and finished jobs: enough that every page is full
SENT = 40_000  # submits measured, and as many dispatches
PAGE = 1_000  # jobs
REPEATS = 20  # of a page, which takes some milliseconds
FILTERS: dict[str, tuple[str, ...]] = {
    "all": (),
    "QUEUED": ("QUEUED",),
    "COMPLETED": ("COMPLETED",),
    "FAILED (1%)": ("FAILED",),
    "QUEUED, FAILED": ("QUEUED", "FAILED"),
}

_NUMBERS = """
WITH RECURSIVE
    n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count),
    job(i, number, status) AS (SELECT i, :first + i * :step,
        CASE i % 100 WHEN 0 THEN 4 WHEN 1 THEN 5 ELSE 3 END FROM n)
"""
_SUBMITS = """
INSERT INTO submits SELECT
    number, 'Echo', CAST(i AS TEXT), 0, 3, NULL, '', 'benchmark', 0, '', :at, NULL FROM job
"""
_QUEUED = """
INSERT INTO queued SELECT
    number, :at, 1, 0, 0, 0, 0, 0, '', '', NULL, NULL, '', '', '' FROM job
"""
_ENDED = (
    """
INSERT INTO ended SELECT
    number, :at, status, 1, 0, 0, 0, number + 1, 'w1', 'i1', :at, :at, CAST(i AS TEXT), '', ''
FROM job
""",
    "INSERT INTO leases SELECT number + 1, :at, number, 'w1', 'i1' FROM job",
    "INSERT INTO completions SELECT number + 2, number, 0.001 FROM job WHERE status = 3",
    """
INSERT INTO events SELECT
    number + 2, :at, CASE status WHEN 4 THEN 'JobFailed' ELSE 'JobCancelled' END, number, 'w1',
    number + 1, 1, 0.001, NULL, CASE status WHEN 4 THEN 'failed' END,
    CASE status WHEN 4 THEN '{"error": "", "output": ""}' END
FROM job WHERE status != 3
""",
)
_FILL_LEDGER = """
UPDATE ledger SET next_seq = :next_seq, latest = :at, totals = json_object(
    'submitted', :queued + :finished,
    'finished', json_object(
        'COMPLETED', :finished - (:finished + 99) / 100 - (:finished + 98) / 100,
        'FAILED', (:finished + 99) / 100, 'CANCELLED', (:finished + 98) / 100
    ),
    'requeued', json_object(), 'rejected', json_object()
)
"""


def fill(path: Path, queued: int, finished: int) -> str:
    """Make a store with so many jobs, the finished ones first; return its ledger id.

    A finished job has three events, a queued one has one.
    """
    with closing(SqliteStore(path)) as store:
        ledger = store.load().ledger_id
    at = time.time() - 60
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        first = 1
        for count, step in ((finished, 3), (queued, 1)):
            values = {"count": count, "first": first, "step": step, "at": at}
            if count:
                for statement in (_SUBMITS, *(_ENDED if step == 3 else (_QUEUED,))):
                    connection.execute(_NUMBERS + statement, values)
            first += count * step
        totals = {"queued": queued, "finished": finished, "next_seq": first, "at": at}
        connection.execute(_FILL_LEDGER, totals)
        connection.execute("COMMIT")
    with path.open("rb") as file:
        os.fsync(file.fileno())  # else the first commits measured wait for all of it
    return ledger


class Cost(NamedTuple):
    """What something takes, in milliseconds for each time it was done."""

    wall: float
    cpu: float  # of the master


class Figures:
    """What was measured of one ledger, by name, in the order in which it was."""

    def __init__(self, path: Path, ledger_id: str) -> None:
        self.path = path
        self.costs: dict[str, Cost] = {}
        self.memory = 0.0  # of the master when it has started, MB
        self._ledger_id = ledger_id
        self._processes = Processes()

    def measure(self) -> None:
        """Start a master on the file, and measure it."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        serve = ("master", "--port", str(port), "--store", str(self.path))
        try:
            with self._cost("start to first dispatch", 1):
                self._processes.start(script("nucleus"), *serve)
                self._processes.wait_for_port(port)
                _await_dispatch(address)
            self.memory = usage(servers_only=True).memory / 1e6
            with Client(address) as client:
                self._measure(client)
        finally:
            self._processes.stop()

    @contextmanager
    def _cost(self, name: str, times: int) -> Iterator[None]:
        """Measure what is done so many times in the ``with``."""
        began, before = time.perf_counter(), usage(servers_only=True).cpu
        yield
        wall, cpu = time.perf_counter() - began, usage(servers_only=True).cpu - before
        self.costs[name] = Cost(1e3 * wall / times, 1e3 * cpu / times)

    def _measure(self, client: Client) -> None:
        self._listings(client)
        self._repeat("GetClusterState", client.stats, 10 * REPEATS)
        submit = partial(client.submit, "Echo", 1)
        self._repeat("one submit, acknowledged", lambda: submit().acknowledged(60.0), 10 * REPEATS)
        with self._cost("a submit among many", SENT):
            client.submit_many("Echo", range(SENT))
            client.flush(60.0)
        self._work(client)

    def _work(self, client: Client) -> None:
        worker = Worker(client.address, slots=2, executor="thread")
        worker.start()
        try:
            _await_results(client, SENT // 10)  # until it runs at full speed
            with self._cost("a dispatch and its result", SENT // 2):
                _await_results(client, SENT // 2)
        finally:
            worker.stop()

    def _listings(self, client: Client) -> None:
        newest = job_number(client.page((), 1, newest_first=True)[0][0].id)
        starts = {"first": 0, "middle": newest // 2}
        for name, statuses in FILTERS.items():
            for place, number in starts.items():
                token = make_job_id(self._ledger_id, number) if number else ""
                ask = partial(client.page, statuses, PAGE, token)
                self._repeat(f"{place} page of {name}", ask, REPEATS)
            ask = partial(client.page, statuses, PAGE, newest_first=True)
            self._repeat(f"newest page of {name}", ask, REPEATS)

    def _repeat(self, name: str, ask: Callable[[], object], times: int) -> None:
        ask()  # from now on it is in the page cache
        with self._cost(name, times):
            for _ in range(times):
                ask()


def _await_results(client: Client, count: int) -> None:
    """Wait until so many more jobs than now have ended."""
    before = client.stats().jobs["COMPLETED"]
    while client.stats().jobs["COMPLETED"] < before + count:
        time.sleep(0.01)


def _await_dispatch(address: str) -> None:
    """Wait for a job as a worker does."""
    hello = pb.GetJobsRequest(
        worker="first", incarnation="i", session=1, slots=1, job_types=["Echo"]
    )
    hello.credit.CopyFrom(pb.Credit(window=1, seq=1))
    with grpc.insecure_channel(address) as channel:
        call = JobQueueServiceStub(channel).GetJobs(hello, wait_for_ready=True)
        for batch in call:
            if batch.leases:
                call.cancel()
                return
    raise Broken("the stream ended without a job")


@click.command()
@click.option("--queued", default=1_000_000, show_default=True, help="Jobs that wait.")
@click.option("--finished", default=1_000_000, show_default=True, help="Jobs that have ended.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the files go for a while.")
def main(queued: int, finished: int, folder: Path | None) -> None:
    """Compare a master with a big ledger to one with a small ledger."""
    with tempfile.TemporaryDirectory(prefix="nucleus-bench-", dir=folder) as made:
        small = _measured(Path(made, "small.db"), *SMALL)
        big = _measured(Path(made, "big.db"), queued, finished)
    print("Milliseconds, small and big, and what part of it the small one takes; CPU: the master's")
    print(f"{'':<32}{'time':>19}{'':>10}{'CPU':>19}")
    for name, cost in big.costs.items():
        before = small.costs[name]
        wall = f"{before.wall:>10,.3f}{cost.wall:>10,.3f}{before.wall / cost.wall:>8.2f}"
        cpu = f"{before.cpu:>12,.3f}{cost.cpu:>10,.3f}{before.cpu / max(cost.cpu, 1e-9):>8.2f}"
        print(f"{name:<32}{wall}{cpu}")
    grown = (big.memory - small.memory) * 1e6 / (queued - SMALL[0])
    print(f"memory: {small.memory:,.0f} and {big.memory:,.0f} MB, {grown:.0f} bytes for each job")


def _measured(path: Path, queued: int, finished: int) -> Figures:
    began = time.perf_counter()
    figures = Figures(path, fill(path, queued, finished))
    seconds, size = time.perf_counter() - began, path.stat().st_size / 1e6
    print(f"{queued:,} queued and {finished:,} finished: {size:,.0f} MB in {seconds:.0f} s")
    figures.measure()
    return figures


if __name__ == "__main__":
    main()
