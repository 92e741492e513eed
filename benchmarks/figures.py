"""What is measured. Every figure takes an adapter that is not running and yields samples."""

import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.adapter import Adapter, Submit, Way
from benchmarks.jobs import Job
from benchmarks.processes import ROOT, clean_environment, usage
from benchmarks.runner import (
    Run,
    Sample,
    doubling,
    long_enough,
    percentiles,
    running,
    timed,
)
from benchmarks.unary import unary_latencies
from nucleus.jobs.types import fibonacci

THROUGHPUT = "jobs/s"
CPU = "cpu µs/job"
P50, P99 = "latency p50 ms", "latency p99 ms"
UNARY_P50 = "unary p50 ms"
EFFICIENCY = "cpu-bound, share of Pool.map"
MEMORY = "server bytes/queued job"
BY_QUEUE, BY_PAYLOAD = "jobs/s by queue length", "jobs/s by payload bytes"
BY_WORKERS, BY_SUBMITTERS = "jobs/s by workers", "jobs/s by submitters"

CHUNK = 10_000  # jobs that a long queue is filled with at a time
SLOTS = 2  # worker processes of every figure that does not vary them


@dataclass(frozen=True)
class Sizes:
    """How much of everything: a benchmark of minutes and a test of seconds differ in this."""

    seconds: float = 1.5  # of each run
    most: int = 1_000_000  # jobs of any run
    latencies: int = 300
    fibonacci: tuple[int, int] = (25, 600)  # which, how many
    memory: int = 20_000  # queued jobs, before those whose memory is measured
    longest_queue: int = 1_000_000
    largest_payload: int = 65_536
    most_workers: int = 8
    most_submitters: int = 8


def run_jobs(adapter: Adapter, submit: Submit, payloads: Sequence[Any]) -> None:
    """Run a job for each payload, and check the results; the last one has one in any case."""
    results = adapter.collect(submit(Job.ECHO, payloads))
    if not results or results != list(payloads[-len(results) :]):
        raise AssertionError(f"{adapter.name}: results differ from what was sent")


class Figures:
    """The figures at given sizes."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    def throughput(self, adapter: Adapter) -> Iterator[Sample]:
        """No-op jobs per second, first submit to last result, by each way to submit."""
        with running(adapter, SLOTS):
            for way in adapter.ways:
                before, jobs = usage(), 0

                def run(count: int, submit: Submit = adapter.ways[way]) -> float:
                    nonlocal before, jobs
                    before, jobs = usage(), count
                    return timed(lambda: run_jobs(adapter, submit, range(count)))

                yield Sample(THROUGHPUT, self._long_enough(run).rate, way)
                yield Sample(CPU, (usage().cpu - before.cpu) / jobs * 1e6, way)

    def latency(self, adapter: Adapter) -> Iterator[Sample]:
        """Submit to result, one job at a time, beside bare unary calls right before and after."""
        bare = unary_latencies(self.sizes.latencies)
        with running(adapter, SLOTS):
            submit = adapter.ways[Way.EACH]
            taken = [
                timed(partial(run_jobs, adapter, submit, [n])) for n in range(self.sizes.latencies)
            ]
        bare += unary_latencies(self.sizes.latencies)
        yield Sample(UNARY_P50, percentiles(bare)[0] * 1000)
        half, tail = percentiles(taken)
        yield Sample(P50, half * 1000)
        yield Sample(P99, tail * 1000)

    def efficiency(self, adapter: Adapter) -> Iterator[Sample]:
        """The time of ``multiprocessing.Pool.map`` over that of the queue, same work.

        The former is taken before and after the latter, since machines drift.
        """
        number, count = self.sizes.fibonacci
        work = [number] * count
        before = _pool_map(work)
        with running(adapter, SLOTS):
            submit = adapter.ways[Way.EACH]
            adapter.collect(submit(Job.FIBONACCI, work[:SLOTS]))
            taken = timed(lambda: adapter.collect(submit(Job.FIBONACCI, work)))
        yield Sample(EFFICIENCY, (before + _pool_map(work)) / 2 / taken)

    def memory(self, adapter: Adapter) -> Iterator[Sample]:
        """Resident memory of the server for one more queued job; no worker is there."""
        if not adapter.queues_alone:
            return
        with running(adapter, workers=0):
            _fill(adapter, self.sizes.memory)  # what a server makes once is not that of a job
            before = usage(servers_only=True).memory
            jobs = self._fill_for_a_while(adapter)
            after = usage(servers_only=True).memory
        if after > before:  # else there is no server
            yield Sample(MEMORY, (after - before) / jobs)

    def _fill_for_a_while(self, adapter: Adapter) -> int:
        """Queue jobs for some seconds, or until there are many; return how many."""
        jobs, began = 0, time.perf_counter()
        while jobs < 10 * self.sizes.memory:
            _fill(adapter, self.sizes.memory // 2)
            jobs += self.sizes.memory // 2
            if time.perf_counter() - began > 5 * self.sizes.seconds:
                break
        return jobs

    def by_queue(self, adapter: Adapter) -> Iterator[Sample]:
        """Jobs per second behind a queue of that length: submits at its end, and its drain.

        A gate keeps every worker busy while the queue is filled; the last submits are timed.
        Then the gate opens, and the last job comes back when all are done. Both times are
        added: what a job costs from submit to result.
        """
        if not adapter.queues_alone:
            return
        for length in doubling(1_000, self.sizes.longest_queue, 10):
            with running(adapter, SLOTS):
                rates: list[float] = []
                began = time.perf_counter()
                while not rates or time.perf_counter() - began < self.sizes.seconds:
                    gate = adapter.processes.folder / f"gate{len(rates)}"
                    rates.append(_fill_and_drain(adapter, length, gate))
                yield Sample(BY_QUEUE, statistics.median(rates), str(length))
            if length / rates[-1] > 5 * self.sizes.seconds:
                return  # ten times as long would take minutes

    def by_payload(self, adapter: Adapter) -> Iterator[Sample]:
        """Jobs per second with text of that length as argument and as result."""
        with running(adapter, SLOTS):
            submit = adapter.ways[Way.EACH]
            for size in doubling(1, self.sizes.largest_payload, 16):

                def run(count: int, text: str = "x" * size) -> float:
                    return timed(lambda: run_jobs(adapter, submit, [text] * count))

                most = max(200, 200_000_000 // max(size, 200))  # bytes that we hold
                yield Sample(BY_PAYLOAD, self._long_enough(run, most).rate, str(size))

    def by_workers(self, adapter: Adapter) -> Iterator[Sample]:
        """Jobs per second with that many worker processes."""
        for workers in doubling(1, self.sizes.most_workers, 2):
            with running(adapter, workers):
                submit = adapter.ways[Way.EACH]

                def run(count: int, submit: Submit = submit) -> float:
                    return timed(lambda: run_jobs(adapter, submit, range(count)))

                yield Sample(BY_WORKERS, self._long_enough(run).rate, str(workers))

    def by_submitters(self, adapter: Adapter) -> Iterator[Sample]:
        """Jobs per second in all, of that many processes that submit side by side."""
        with running(adapter, SLOTS):

            def run(count: int) -> float:
                submit = adapter.ways[Way.EACH]
                return timed(lambda: run_jobs(adapter, submit, range(count)))

            alone = self._long_enough(run)
            for submitters in doubling(1, self.sizes.most_submitters, 2):
                each = max(1, alone.jobs // submitters)
                seconds = side_by_side(adapter.key, adapter.server, submitters, each)
                rate = Run(each * submitters, seconds).rate
                yield Sample(BY_SUBMITTERS, rate, str(submitters))

    def _long_enough(self, run: Any, most: int | None = None) -> Run:
        return long_enough(
            run, self.sizes.seconds, most=min(most or self.sizes.most, self.sizes.most)
        )


def _pool_map(work: Sequence[int]) -> float:
    """How long ``multiprocessing.Pool.map`` takes, once it is warm."""
    with multiprocessing.get_context("spawn").Pool(SLOTS) as pool:
        pool.map(fibonacci, work[:SLOTS])
        return timed(lambda: pool.map(fibonacci, work, chunksize=max(1, len(work) // 40)))


def _fill(adapter: Adapter, jobs: int) -> None:
    """Queue that many jobs, and let go of their handles; returns when all are acknowledged."""
    for start in range(0, jobs, CHUNK):
        _submit_all(adapter, min(CHUNK, jobs - start))
        adapter.forget()


def _submit_all(adapter: Adapter, jobs: int) -> None:
    adapter.settle(adapter.ways[Way.EACH](Job.ECHO, range(jobs)))


def _fill_and_drain(adapter: Adapter, length: int, gate: Path) -> float:
    """Return jobs per second: one over the time to submit a job and the time to be rid of it."""
    _close_the_gate(adapter, gate)
    at_the_end = min(length, CHUNK)
    _fill(adapter, length - at_the_end)
    submitting = timed(lambda: _submit_all(adapter, at_the_end)) / at_the_end
    last = adapter.ways[Way.EACH](Job.ECHO, [length])
    adapter.settle(last)
    gate.touch()
    draining = timed(lambda: adapter.collect(last)) / length
    return 1 / (submitting + draining)


def _close_the_gate(adapter: Adapter, gate: Path) -> None:
    """Submit gates until each worker stands before one; a worker may hold several."""

    def standing() -> int:
        return len(list(gate.parent.glob(f"{gate.name}.*")))

    while (before := standing()) < SLOTS:
        adapter.settle(adapter.ways[Way.EACH](Job.GATE, [str(gate)]))
        deadline = time.monotonic() + 0.5
        while standing() == before and time.monotonic() < deadline:
            time.sleep(0.01)
        adapter.processes.check()


def side_by_side(key: str, server: str, submitters: int, jobs: int) -> float:
    """Let that many processes run ``jobs`` each; return the time until the last is done."""
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.submitter", key, server, str(jobs)],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(submitters)
    ]
    try:
        for child in children:
            _expect(child, "ready")
        return timed(lambda: _let_go(children))
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _let_go(children: Sequence["subprocess.Popen[str]"]) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _expect(child, "done")


def _expect(child: "subprocess.Popen[str]", word: str) -> None:
    assert child.stdout is not None
    said = child.stdout.readline().strip()
    if said != word:
        raise RuntimeError(f"a submitter said {said!r} instead of {word!r}")
