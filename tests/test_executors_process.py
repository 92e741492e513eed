"""The process executor, with real child processes."""

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import nucleus.services.worker.executors.process as process_module
from nucleus.core.errors import FailedPrecondition, InvalidArgument, ResourceExhausted
from nucleus.jobs import JobType, Registry
from nucleus.jobs.types import echo, fast_fibonacci, poison, sleep
from nucleus.services.worker.executors import (
    Finished,
    ProcessExecutor,
    Task,
    ThreadExecutor,
    make_executor,
)
from nucleus.services.worker.executors.output import MAX_OUTPUT_BYTES
from tests.support import eventually

QUIET = 0.3
"""Seconds without a report after which none is believed to come."""


class Jobs:
    """A process executor with two slots, and what it reported."""

    def __init__(self, slots: int = 2) -> None:
        self.registry = Registry()
        for name, function in (
            ("Echo", echo),
            ("Sleep", sleep),
            ("Poison", poison),
            ("FastFibonacci", fast_fibonacci),
        ):
            self.registry.register(JobType(name, function))
        self.reports: queue.Queue[Finished] = queue.Queue()
        self.executor = ProcessExecutor(slots, self.registry)
        self.executor.start(self.reports.put)
        self.lease = 0

    def submit(
        self, job: str | Callable[[Any], Any], payload: Any = None, timeout: float | None = None
    ) -> int:
        """Submit a shipped type or a function of the test; return its lease."""
        name = job if isinstance(job, str) else job.__name__
        if not isinstance(job, str):
            self.registry.register(JobType(name, job))
        self.lease += 1
        self.executor.submit(
            Task(self.lease, name, json.dumps(payload, ensure_ascii=False), timeout)
        )
        return self.lease

    def ended(self) -> Finished:
        return self.reports.get(timeout=10)

    def run(
        self, job: str | Callable[[Any], Any], payload: Any = None, timeout: float | None = None
    ) -> Finished:
        lease = self.submit(job, payload, timeout)
        ended = self.ended()
        assert ended.lease == lease
        return ended

    def no_report_comes(self) -> bool:
        try:
            return self.reports.get(timeout=QUIET) is None
        except queue.Empty:
            return True


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children buffer what they print, as they do by default."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    pids = jobs.executor.pids
    assert jobs.executor.stop() == []
    assert not any(psutil.pid_exists(pid) for pid in pids)


def alive(pid: int) -> bool:
    """Whether the process runs; an orphan may stay a zombie until init gets round to it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_a_job_runs_in_a_child_and_answers(jobs: Jobs) -> None:
    def who(_: None) -> list[int]:
        return [os.getpid(), os.getsid(0)]

    ended = jobs.run(who)
    assert ended.error is None and ended.result is not None and ended.output == ""
    pid, session = json.loads(ended.result)
    assert pid in jobs.executor.pids
    assert session == pid


def test_five_hundred_tasks_answer_each_once(jobs: Jobs) -> None:
    slots = threading.Semaphore(jobs.executor.slots)
    results: dict[int, str | None] = {}

    def report(ended: Finished) -> None:
        assert ended.lease not in results
        results[ended.lease] = ended.result
        slots.release()

    executor = ProcessExecutor(2, jobs.registry)
    executor.start(report)
    for lease in range(500):
        assert slots.acquire(timeout=10)
        executor.submit(Task(lease, "Echo", str(lease), None))
    eventually(lambda: len(results) == 500)
    executor.stop()
    assert results == {lease: str(lease) for lease in range(500)}


def test_start_does_not_wait_for_the_children() -> None:
    before = time.monotonic()
    jobs = Jobs(slots=4)
    assert time.monotonic() - before < 0.05
    assert jobs.run("Echo", 1).result == "1"
    jobs.executor.stop()


def test_a_payload_larger_than_any_buffer_arrives(jobs: Jobs) -> None:
    text = "å" * 500_000
    assert jobs.run("Echo", text).result == json.dumps(text, ensure_ascii=False)


def test_a_job_that_raises_tells_what_and_where(jobs: Jobs) -> None:
    def divide(value: int) -> float:
        print("dividing")
        return 1 / value

    ended = jobs.run(divide, 0)
    assert (ended.result, ended.error) == (None, "ZeroDivisionError: division by zero")
    assert ended.output.startswith("dividing\nTraceback (most recent call last):\n")
    assert "in divide" in ended.output


def test_a_result_that_is_no_json_is_an_error(jobs: Jobs) -> None:
    def unfit(kind: str) -> Any:
        return {"set": {1}, "large": "x" * (1 << 20)}[kind]

    assert "the result is not JSON: Object of type set" in (jobs.run(unfit, "set").error or "")
    assert "1,048,578 bytes is not allowed" in (jobs.run(unfit, "large").error or "")


def test_a_killed_process_costs_one_attempt_and_is_replaced(jobs: Jobs) -> None:
    jobs.run("Echo")
    before = set(jobs.executor.pids)
    ended = jobs.run("Poison")
    assert (ended.result, ended.error) == (None, "the process running the job died (SIGKILL)")
    eventually(lambda: len(jobs.executor.pids) == 2)
    assert len(before & set(jobs.executor.pids)) == 1
    assert jobs.run("Echo", 1).result == "1"


def test_a_process_that_leaves_tells_its_code_and_last_words(jobs: Jobs) -> None:
    def leave(_: None) -> None:
        print("farewell")
        os._exit(3)

    ended = jobs.run(leave)
    assert ended.error == "the process running the job died (exit code 3)"
    assert ended.output == "farewell\n"


def test_a_child_that_dies_idle_is_replaced_and_nobody_hears(jobs: Jobs) -> None:
    jobs.run("Echo")
    eventually(lambda: len(jobs.executor.pids) == 2)
    victim = jobs.executor.pids[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(jobs.executor.pids) == 2 and victim not in jobs.executor.pids)
    assert jobs.run("Echo", 1).result == "1"


def test_a_timeout_kills_the_job_and_frees_the_slot(jobs: Jobs) -> None:
    def talk_and_sleep(seconds: float) -> None:
        print("going to sleep")
        time.sleep(seconds)

    ended = jobs.run(talk_and_sleep, 60, timeout=0.3)
    assert (ended.result, ended.error) == (None, "timed out after 0.3 s")
    assert ended.output == "going to sleep\n"
    assert 0.3 <= ended.seconds < 2
    assert jobs.executor.occupied == 0
    leases = {jobs.submit("Echo"), jobs.submit("Echo")}
    assert {jobs.ended().lease, jobs.ended().lease} == leases


def test_a_timeout_does_not_run_while_the_process_is_starting() -> None:
    jobs = Jobs()
    assert jobs.run("Sleep", 0, timeout=0.02).error is None
    jobs.executor.stop()


def test_a_job_that_holds_the_interpreter_lock_is_timed_out_too(jobs: Jobs) -> None:
    ended = jobs.run("FastFibonacci", 50_000_000, timeout=1.0)
    assert ended.error == "timed out after 1.0 s"
    assert ended.seconds < 2


def test_a_cancelled_job_is_killed_and_never_reported(jobs: Jobs) -> None:
    jobs.run("Echo")
    lease = jobs.submit("Sleep", 60)
    before = set(jobs.executor.pids)
    assert jobs.executor.cancel(lease)
    assert jobs.executor.occupied == 0
    eventually(lambda: len(jobs.executor.pids) == 2 and set(jobs.executor.pids) != before)
    assert not jobs.executor.cancel(lease)
    assert jobs.no_report_comes()
    assert jobs.run("Echo", 1).result == "1"


def test_a_job_cancelled_before_its_process_is_ready_never_runs(tmp_path: Path) -> None:
    def touch(path: str) -> None:
        Path(path).touch()

    jobs = Jobs(slots=1)
    assert jobs.executor.cancel(jobs.submit(touch, str(tmp_path / "ran")))
    assert jobs.run("Echo").error is None
    assert jobs.no_report_comes()
    assert not (tmp_path / "ran").exists()
    jobs.executor.stop()


def test_a_kill_reaches_what_the_job_has_started(jobs: Jobs) -> None:
    def spawn(_: None) -> None:
        helper = subprocess.Popen(["sleep", "60"])
        print(helper.pid)
        helper.wait()

    ended = jobs.run(spawn, timeout=0.5)
    helper = int(ended.output)
    eventually(lambda: not alive(helper))


def test_a_job_that_forks_answers_once(jobs: Jobs, tmp_path: Path) -> None:
    def fork(path: str) -> str:
        copy = os.fork()
        if copy == 0:
            for _ in range(4):  # These take over the numbers of our closed descriptors.
                os.open(path, os.O_CREAT | os.O_WRONLY)
            return "copy"
        os.waitpid(copy, 0)
        return "original"

    ended = jobs.run(fork, str(tmp_path / "file"))
    assert (ended.result, ended.output) == ('"original"', "")
    assert jobs.no_report_comes()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_copy_that_outlives_its_job_does_not_hide_its_death(jobs: Jobs) -> None:
    def leave_a_copy(_: None) -> None:
        if os.fork() == 0:
            os.setsid()
            time.sleep(3)
        os._exit(4)

    ended = jobs.run(leave_a_copy)
    assert ended.error == "the process running the job died (exit code 4)"
    assert ended.seconds < 2


def test_output_belongs_to_the_attempt_that_printed_it(jobs: Jobs) -> None:
    def speak(words: str) -> None:
        print(words)
        print("unfinished", end="")
        os.write(2, b"(aside)\n")
        subprocess.run(["echo", "echo of", words])

    for number in range(20):
        ended = jobs.run(speak, f"attempt {number}")
        assert ended.output == f"attempt {number}\n(aside)\necho of attempt {number}\nunfinished"


def test_what_is_printed_between_two_attempts_is_nobodys(tmp_path: Path) -> None:
    def babble(path: str) -> None:
        def later() -> None:
            print("too late")
            Path(path).touch()

        threading.Timer(0.05, later).start()

    jobs = Jobs(slots=1)
    assert jobs.run(babble, str(tmp_path / "said")).output == ""
    eventually((tmp_path / "said").exists)
    assert jobs.run("Echo").output == ""
    jobs.executor.stop()


def test_of_much_output_the_end_is_kept(jobs: Jobs) -> None:
    def flood(lines: int) -> None:
        for number in range(lines):
            print(f"line {number:06}")

    ended = jobs.run(flood, 100_000)
    dropped = 100_000 * 12 - MAX_OUTPUT_BYTES
    assert ended.output.startswith(f"[{dropped:,} earlier bytes dropped]\n")
    assert ended.output.endswith("line 099999\n")
    assert len(ended.output) < MAX_OUTPUT_BYTES + 100


def test_a_job_may_close_its_output(jobs: Jobs) -> None:
    def close(_: None) -> str:
        os.close(1)
        os.close(2)
        return "silence"

    assert jobs.run(close).result == '"silence"'
    assert jobs.run("Echo", 1).result == "1"


def test_a_job_that_writes_nonsense_to_our_channel_loses_its_process(jobs: Jobs) -> None:
    def meddle(_: None) -> None:
        channel = int(sys.argv[1])
        os.write(channel, b"\0\0\0\x04oops")
        time.sleep(60)

    assert jobs.run(meddle).error == "the process running the job died (SIGKILL)"
    assert jobs.run("Echo", 1).result == "1"


def test_ctrl_c_does_not_reach_a_job(jobs: Jobs) -> None:
    def interrupt(_: None) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "still here"

    assert jobs.run(interrupt).result == '"still here"'


def test_modules_are_found_where_the_worker_finds_them_and_imported_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imported(name: str) -> bool:
        return name in sys.modules

    (tmp_path / "early_jobs.py").write_text("def seven(_):\n    return 7\n")
    (tmp_path / "broken_jobs.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry, reports = Registry(), queue.Queue[Finished]()
    registry.register(JobType("Imported", imported))
    registry.register(JobType("Seven", importlib.import_module("early_jobs").seven))
    executor = ProcessExecutor(1, registry, ["broken_jobs", "early_jobs"])
    executor.start(reports.put)
    executor.submit(Task(1, "Imported", '"early_jobs"', None))
    assert reports.get(timeout=10).result == "true"
    executor.submit(Task(2, "Seven", "null", None))
    assert reports.get(timeout=10).result == "7"
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


def test_a_full_executor_refuses(jobs: Jobs) -> None:
    for _ in range(2):
        jobs.submit("Sleep", 60)
    assert jobs.executor.occupied == 2
    with pytest.raises(ResourceExhausted, match="all 2 slots are taken"):
        jobs.submit("Echo")


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

    def report(ended: Finished) -> None:
        heard.append(ended.lease)
        raise RuntimeError("no thanks")

    executor = ProcessExecutor(1, jobs.registry)
    executor.start(report)
    for lease in (1, 2):
        executor.submit(Task(lease, "Echo", "1", None))
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
    before = time.monotonic()
    assert jobs.executor.stop() == jobs.executor.stop() == []
    assert time.monotonic() - before < 1
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


SCRIPT = """
import ctypes, sys, time
from nucleus.jobs import default_registry, job_type
from nucleus.services.worker.executors import ProcessExecutor, Task

print("main runs as", __name__, flush=True)
SHIFT = 40

@job_type("Shift", payload=int)
def shift(n):
    return n + SHIFT

@job_type("HoldTheLock", payload=str)
def hold_the_lock(path):
    open(path, "w").close()
    ctypes.PyDLL(None).sleep(14)  # A PyDLL keeps the interpreter lock while it is called.

def report(ended):
    print("result", ended.result, ended.error, flush=True)

executor = ProcessExecutor(2, default_registry())
executor.start(report)
executor.submit(Task(1, "Shift", "2", None))
executor.submit(Task(2, sys.argv[1], sys.argv[2], None))
while len(executor.pids) < 2:
    time.sleep(0.01)
print("pids", *executor.pids, flush=True)
sys.stdin.read()
"""


class Script:
    """A program of its own that owns an executor."""

    def __init__(self, folder: Path, job_type: str, payload: str) -> None:
        (folder / "script.py").write_text(SCRIPT)
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "script.py"), job_type, payload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            text=True,
        )
        assert self.process.stdout is not None and self.process.stdin is not None
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.lines = sorted(line.strip() for line in lines)
        self.pids = [int(word) for word in self.lines[1].split()[1:]]

    def close(self) -> str:
        rest, _ = self.process.communicate(timeout=10)
        return rest


def test_a_function_of_main_runs_in_a_child_that_does_not_import_main(tmp_path: Path) -> None:
    script = Script(tmp_path, "Sleep", "60")
    assert script.lines[0] == "main runs as __main__"
    assert script.lines[2] == "result 42 None"
    assert script.close() == ""
    assert script.process.returncode == 0
    eventually(lambda: not any(alive(pid) for pid in script.pids), timeout=2)


def die_with(script: Script) -> None:
    """Kill the parent; its children must be gone before a thread of theirs could act."""
    assert all(map(alive, script.pids))
    script.process.kill()
    script.close()
    eventually(lambda: not any(map(alive, script.pids)), timeout=0.5)


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    die_with(Script(tmp_path, "Sleep", "60"))


def test_a_child_whose_job_holds_the_lock_dies_with_its_parent(tmp_path: Path) -> None:
    script = Script(tmp_path, "HoldTheLock", json.dumps(str(tmp_path / "held")))
    eventually((tmp_path / "held").exists)
    die_with(script)


def test_a_child_that_multiplies_huge_numbers_dies_with_its_parent(tmp_path: Path) -> None:
    script = Script(tmp_path, "FastFibonacci", "50000000")
    eventually(lambda: max(map(cpu_seconds, script.pids)) > 1.5)
    die_with(script)
