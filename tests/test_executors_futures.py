"""Executors on ``concurrent.futures``: threads of this process, and somebody's pool."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import pytest

from nucleus.core.errors import FailedPrecondition
from nucleus.core.worker import Report
from nucleus.jobs import JobType, Registry
from nucleus.jobs.types import echo, poison, sleep
from nucleus.services.worker.executors import Executor, FuturesExecutor, ThreadExecutor
from tests.executors_support import into, task
from tests.support import eventually


class Bench:
    """A registry with a job that waits for the test, and what was reported."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go = threading.Event()
        self.reports: queue.Queue[Report] = queue.Queue()
        self.registry = Registry()
        self.registry.register(JobType("Echo", echo))
        self.registry.register(JobType("Poison", poison, kills_process=True))
        self.registry.register(JobType("Wait", self._wait))
        self.registry.register(JobType("Sleep", sleep))
        self.registry.register(JobType("Divide", lambda n: 1 / n))

    def _wait(self, value: Any) -> Any:
        self.began.release()
        assert self.go.wait(timeout=60)
        return value

    def ended(self) -> Report:
        return self.reports.get(timeout=60)


@contextmanager
def frequent_switches() -> Iterator[None]:
    """Give every thread its turn after a few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.go.set()


@pytest.fixture
def threads(bench: Bench) -> Iterator[ThreadExecutor]:
    executor = ThreadExecutor(2, bench.registry)
    executor.start(into(bench.reports))
    yield executor
    bench.go.set()
    executor.stop()
    eventually(lambda: not any("job-thread" in t.name for t in threading.enumerate()))


def test_a_job_runs_in_a_thread_and_answers(bench: Bench, threads: ThreadExecutor) -> None:
    threads.submit([task(1, "Echo", '{"a": 1}', 5.0)])
    ended = bench.ended()
    assert (ended.lease, ended.result, ended.error, ended.output) == (1, '{"a": 1}', None, "")
    assert threads.running == ()


def test_a_job_that_raises_in_a_thread_tells_what_and_where(
    bench: Bench, threads: ThreadExecutor
) -> None:
    threads.submit([task(1, "Divide", "0")])
    ended = bench.ended()
    assert ended.error == "ZeroDivisionError: division by zero"
    assert "in <lambda>" in ended.output


def test_a_type_that_kills_its_process_is_refused_in_threads(
    bench: Bench, threads: ThreadExecutor
) -> None:
    threads.submit([task(1, "Poison", "null")])
    assert bench.ended().error == "Poison would kill this process; use the process executor"
    threads.submit([task(2, "Nonsense", "null")])
    assert (bench.ended().error or "").startswith("job_type: Nonsense is not known")
    assert threads.running == ()


def test_a_timed_out_thread_is_reported_at_once_and_keeps_its_slot(
    bench: Bench, threads: ThreadExecutor
) -> None:
    threads.submit([task(1, "Wait", "7", 0.1)])
    ended = bench.ended()
    assert (ended.result, ended.error) == (None, "timed out after 0.1 s")
    assert threads.blocked == 1
    assert not threads.cancel(1)
    bench.go.set()
    eventually(lambda: threads.running == ())
    assert bench.reports.empty()


def test_only_timed_out_threads_block_a_slot_at_any_moment(bench: Bench) -> None:
    executor, ended = ThreadExecutor(2, bench.registry), 0

    def count(reports: Sequence[Report]) -> None:
        nonlocal ended
        ended += len(reports)

    executor.start(count)
    executor.submit([task(1, "Wait", "7", 0.05)])
    eventually(lambda: ended == 1)
    seen = set()
    with frequent_switches():
        executor.submit([task(lease, "Echo", "1") for lease in range(2, 20_002)])
        while ended < 20_001:
            seen.add(executor.blocked)
    assert seen == {1}
    bench.go.set()
    executor.stop()


@pytest.mark.parametrize("kind", ["threads", "pool"])
def test_a_slot_that_a_timed_out_job_leaves_is_told_at_once(bench: Bench, kind: str) -> None:
    told: queue.Queue[tuple[list[str | None], int]] = queue.Queue()
    with ThreadPoolExecutor(1) as pool:
        executor: Executor = ThreadExecutor(1, bench.registry)
        if kind == "pool":
            executor = FuturesExecutor(pool, 1, bench.registry)
        executor.start(lambda ended: told.put(([r.error for r in ended], executor.blocked)))
        executor.submit([task(1, "Sleep", "0.3", 0.05)])
        assert told.get(timeout=60) == (["timed out after 0.05 s"], 1)
        assert told.get(timeout=60) == ([], 0)
        executor.stop()


def test_a_running_thread_cannot_be_cancelled_and_reports_its_end(
    bench: Bench, threads: ThreadExecutor
) -> None:
    threads.submit([task(1, "Wait", "7")])
    assert bench.began.acquire(timeout=60)
    assert not threads.cancel(1)
    bench.go.set()
    ended = bench.ended()
    assert (ended.lease, ended.result) == (1, "7")
    assert not threads.cancel(1)


def test_a_task_that_waits_for_a_slot_can_be_cancelled(
    bench: Bench, threads: ThreadExecutor
) -> None:
    for lease in (1, 2, 3):
        threads.submit([task(lease, "Wait", str(lease))])
    assert bench.began.acquire(timeout=60) and bench.began.acquire(timeout=60)
    assert threads.cancel(3)
    assert len(threads.running) == 2
    bench.go.set()
    assert {bench.ended().lease, bench.ended().lease} == {1, 2}
    eventually(lambda: threads.running == ())
    assert bench.reports.empty()


def test_a_timeout_counts_from_when_the_job_begins(bench: Bench, threads: ThreadExecutor) -> None:
    threads.submit([task(lease, "Wait", "0") for lease in (1, 2)])
    threads.submit([task(3, "Wait", "0", 60.0)])
    assert bench.began.acquire(timeout=60) and bench.began.acquire(timeout=60)
    assert not threads._timers
    bench.go.set()
    assert {bench.ended().lease for _ in range(3)} == {1, 2, 3}


def test_what_has_not_begun_can_be_withdrawn(bench: Bench, threads: ThreadExecutor) -> None:
    threads.submit([task(lease, "Wait", "0") for lease in range(1, 6)])
    assert bench.began.acquire(timeout=60) and bench.began.acquire(timeout=60)
    assert threads.withdraw() == [3, 4, 5]
    assert threads.withdraw() == []
    bench.go.set()
    assert {bench.ended().lease for _ in range(2)} == {1, 2}
    eventually(lambda: threads.running == ())
    assert bench.reports.empty()


def test_tasks_begin_in_the_order_submitted(bench: Bench) -> None:
    executor = ThreadExecutor(1, bench.registry)
    executor.start(into(bench.reports))
    executor.submit([task(lease, "Echo", str(lease)) for lease in range(500)])
    assert [bench.ended().lease for _ in range(500)] == list(range(500))
    executor.stop()


def test_stop_names_what_still_runs_and_reports_no_more(bench: Bench) -> None:
    executor = ThreadExecutor(2, bench.registry)
    executor.start(into(bench.reports))
    executor.submit([task(12, "Wait", "0", 60.0)])
    assert bench.began.acquire(timeout=60)
    executor.submit([task(13, "Echo", "0", 60.0)])
    assert bench.ended().lease == 13
    assert executor.stop() == ["lease 12: Wait"]
    assert eventually(
        lambda: not any(isinstance(t, threading.Timer) for t in threading.enumerate())
    )
    assert executor.stop() == ["lease 12: Wait"]
    with pytest.raises(FailedPrecondition):
        executor.submit([task(14, "Echo", "0")])
    names = {thread.name for thread in threading.enumerate()}
    assert len([name for name in names if "job-thread" in name]) == 1
    bench.go.set()
    eventually(lambda: executor.running == ())
    assert executor.stop() == []
    assert bench.reports.empty()


def test_a_job_that_cannot_be_stopped_does_not_keep_the_interpreter() -> None:
    code = (
        "import threading\n"
        "from nucleus.jobs import JobType, Registry\n"
        "from nucleus.services.worker.executors import ThreadExecutor\n"
        "from nucleus.core.worker import Assignment\n"
        "registry, began = Registry(), threading.Event()\n"
        "registry.register(JobType('Hang', lambda _: (began.set(), threading.Event().wait())))\n"
        "executor = ThreadExecutor(1, registry)\n"
        "executor.start(print)\n"
        "executor.submit([Assignment('a', 1, 'Hang', 'null', None, 1)])\n"
        "began.wait()\n"
        "print(executor.stop())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("['lease 1: Hang']\n", "", 0)


def test_a_pool_of_processes_serves(bench: Bench) -> None:
    def who(_: None) -> int:
        return os.getpid()

    bench.registry.register(JobType("Who", who))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        executor = FuturesExecutor(pool, 1, bench.registry)
        executor.start(into(bench.reports))
        executor.submit([task(1, "Who", "null")])
        ended = bench.ended()
        assert ended.error is None and json.loads(ended.result or "") != os.getpid()
        executor.submit([task(2, "Poison", "null")])
        assert (bench.ended().error or "").startswith("BrokenProcessPool: ")
        executor.submit([task(3, "Echo", "null")])  # The pool is broken for good.
        assert (bench.ended().error or "").startswith("BrokenProcessPool: ")
        assert executor.stop() == []


def test_a_pool_may_be_too_full_for_a_task_to_begin(bench: Bench) -> None:
    held = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(held.wait, 20)
        executor = FuturesExecutor(pool, 3, bench.registry)
        executor.start(into(bench.reports))
        executor.submit([task(1, "Echo", "0", 0.05), task(2, "Echo", "0"), task(3, "Echo", "0")])
        assert executor.cancel(2)
        assert bench.ended().error == "timed out after 0.05 s"
        eventually(lambda: executor.running == (3,))
        assert executor.withdraw() == [3]
        held.set()
    assert executor.running == ()
    assert bench.reports.empty()


def test_a_pool_that_gives_a_job_up_is_heard(bench: Bench) -> None:
    held = threading.Event()
    pool = ThreadPoolExecutor(1)
    pool.submit(held.wait, 20)
    executor = FuturesExecutor(pool, 1, bench.registry)
    executor.start(into(bench.reports))
    executor.submit([task(1, "Echo", "1")])
    pool.shutdown(wait=False, cancel_futures=True)
    try:
        assert bench.ended().error == "the executor gave the job up"
    finally:
        held.set()
