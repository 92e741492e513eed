"""The process executor, with real child processes: what it runs, and how it begins and ends."""

import importlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

import nucleus.services.worker.executors.process as process_module
from nucleus.core.errors import FailedPrecondition, InvalidArgument
from nucleus.core.worker import Report
from nucleus.jobs import JobType, Registry
from nucleus.services.worker.executors import ProcessExecutor, ThreadExecutor, make_executor
from tests.executors_support import Jobs, into, process_jobs, task
from tests.support import eventually

jobs = process_jobs


def test_a_job_runs_in_a_child_and_answers(jobs: Jobs) -> None:
    def who(_: None) -> list[int]:
        return [os.getpid(), os.getsid(0)]

    ended = jobs.run(who)
    assert ended.error is None and ended.result is not None and ended.output == ""
    pid, session = json.loads(ended.result)
    assert pid in jobs.executor.pids
    assert session == pid


def test_five_hundred_tasks_answer_each_once(jobs: Jobs) -> None:
    leases = [lease for n in range(50) for lease in jobs.submit_many("Echo", [n] * 10)]
    assert sorted(jobs.ended().lease for _ in leases) == leases
    assert jobs.no_report_comes()


def test_start_does_not_wait_for_the_children() -> None:
    before = time.monotonic()
    jobs = Jobs(slots=4)
    started = time.monotonic()
    assert jobs.run("Echo", 1).result == "1"
    assert started - before < (time.monotonic() - before) / 2
    jobs.executor.stop()


def test_a_payload_larger_than_any_buffer_arrives(jobs: Jobs) -> None:
    text = "å" * 500_000
    assert jobs.run("Echo", text).result == json.dumps(text, ensure_ascii=False)


def test_a_result_that_is_no_json_is_an_error(jobs: Jobs) -> None:
    def unfit(kind: str) -> Any:
        return {"set": {1}, "large": "x" * (1 << 20)}[kind]

    assert "the result is not JSON: Object of type set" in (jobs.run(unfit, "set").error or "")
    assert "1,048,578 bytes is not allowed" in (jobs.run(unfit, "large").error or "")


def test_modules_are_found_where_the_worker_finds_them_and_imported_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imported(name: str) -> bool:
        return name in sys.modules

    (tmp_path / "early_jobs.py").write_text("def seven(_):\n    return 7\n")
    (tmp_path / "broken_jobs.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry, reports = Registry(), queue.Queue[Report]()
    registry.register(JobType("Imported", imported))
    registry.register(JobType("Seven", importlib.import_module("early_jobs").seven))
    executor = ProcessExecutor(1, registry, ["broken_jobs", "early_jobs"])
    executor.start(into(reports))
    executor.submit([task(1, "Imported", '"early_jobs"')])
    assert reports.get(timeout=60).result == "true"
    executor.submit([task(2, "Seven", "null")])
    assert reports.get(timeout=60).result == "7"
    executor.stop()


def test_a_function_defined_again_is_sent_again() -> None:
    jobs = Jobs(slots=1)

    def cell(answer: int) -> Callable[[None], int]:
        def ask(_: None) -> int:
            return answer

        return ask

    assert jobs.run(cell(1)).result == "1"
    assert jobs.run(cell(2)).result == "2"
    jobs.executor.stop()


def test_what_cannot_be_sent_is_an_error_of_its_attempt(jobs: Jobs) -> None:
    lock = threading.Lock()
    jobs.run("Echo")

    def locked(_: None) -> bool:
        return lock.locked()

    assert "locked cannot be sent to a child process: TypeError" in (jobs.run(locked).error or "")
    unknown = jobs.run("Nonsense").error or ""
    assert unknown.startswith("job_type: Nonsense is not known; known are Echo, ")
    assert jobs.run("Echo", 1).result == "1"


def test_a_process_that_cannot_start_is_an_error_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_module, "RESTART_DELAY", 0.1)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    jobs = Jobs(slots=1)
    assert jobs.run("Echo").error == "no process for jobs could be started (exit code 1)"
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert "No such file" in (jobs.run("Echo").error or "")
    monkeypatch.undo()
    eventually(lambda: jobs.executor.pids)
    assert jobs.run("Echo", 1).result == "1"
    jobs.executor.stop()


def test_a_report_that_raises_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs()
    heard: list[int] = []

    def report(ended: Sequence[Report]) -> None:
        heard.extend(report.lease for report in ended)
        raise RuntimeError("no thanks")

    executor = ProcessExecutor(1, jobs.registry)
    executor.start(report)
    for lease in (1, 2):
        executor.submit([task(lease, "Echo", "1")])
        eventually(lambda lease=lease: lease in heard)  # type: ignore[misc]  # bound at once
    executor.stop()
    jobs.executor.stop()
    assert "the end of lease 1 could not be reported" in caplog.text


def test_stop_leaves_no_process_thread_or_descriptor() -> None:
    Jobs().executor.stop()  # Imports and whatever else happens only once.
    descriptors = os.listdir("/proc/self/fd")
    threads = threading.active_count()
    jobs = Jobs()
    jobs.run("Echo")
    jobs.submit("FastFibonacci", 50_000_000)
    eventually(lambda: len(jobs.executor.pids) == 2)
    pids = jobs.executor.pids
    assert jobs.executor.stop() == jobs.executor.stop() == []
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert threading.active_count() == threads
    assert os.listdir("/proc/self/fd") == descriptors
    assert jobs.no_report_comes()
    with pytest.raises(FailedPrecondition):
        jobs.submit("Echo")


def test_an_executor_that_never_started_stops() -> None:
    descriptors = os.listdir("/proc/self/fd")
    ProcessExecutor(2, Registry()).stop()
    assert os.listdir("/proc/self/fd") == descriptors


def test_executors_have_names() -> None:
    process = make_executor("process", 1, Registry())
    thread = make_executor("thread", 1, Registry())
    assert isinstance(process, ProcessExecutor) and isinstance(thread, ThreadExecutor)
    process.stop()
    thread.stop()
    with pytest.raises(InvalidArgument, match="executor: fork is not known"):
        make_executor("fork", 1, Registry())
