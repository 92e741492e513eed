"""The process executor when something dies: a job, its process, or the worker itself."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.executors_support import Jobs, alive, process_jobs
from tests.support import eventually

jobs = process_jobs


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


def test_a_job_that_forks_answers_once(jobs: Jobs, tmp_path: Path) -> None:
    def fork(path: str) -> str:
        copy = os.fork()
        if copy == 0:
            for _ in range(8):  # These take over the numbers of our closed descriptors.
                os.open(path, os.O_CREAT | os.O_WRONLY)
            return "copy"
        os.waitpid(copy, 0)
        return "original"

    ended = jobs.run(fork, str(tmp_path / "file"))
    assert (ended.result, ended.output) == ('"original"', "")
    assert jobs.no_report_comes()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_copy_that_outlives_its_job_does_not_hide_its_death(jobs: Jobs, tmp_path: Path) -> None:
    heard = tmp_path / "heard"

    def leave_a_copy(heard: str) -> None:
        if os.fork() == 0:
            os.setsid()
            eventually(Path(heard).exists)  # as long as nobody knows of the death
        os._exit(4)

    assert jobs.run(leave_a_copy, str(heard)).error == (
        "the process running the job died (exit code 4)"
    )
    heard.touch()


def test_a_job_that_writes_nonsense_to_our_channel_loses_its_process(jobs: Jobs) -> None:
    def meddle(_: None) -> None:
        channel = int(sys.argv[1])
        os.write(channel, b"oops\n")
        signal.pause()  # until it is killed

    assert jobs.run(meddle).error == "the process running the job died (SIGKILL)"
    assert jobs.run("Echo", 1).result == "1"


def test_ctrl_c_does_not_reach_a_job(jobs: Jobs) -> None:
    def interrupt(_: None) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "still here"

    assert jobs.run(interrupt).result == '"still here"'


SCRIPT = """
import ctypes, sys, time
from nucleus.jobs import default_registry, job_type
from nucleus.core.worker import Assignment
from nucleus.services.worker.executors import ProcessExecutor

print("main runs as", __name__, flush=True)
SHIFT = 40

@job_type("Shift", payload=int)
def shift(n):
    return n + SHIFT

@job_type("HoldTheLock", payload=str)
def hold_the_lock(path):
    open(path, "w").close()
    ctypes.PyDLL(None).sleep(14)  # A PyDLL keeps the interpreter lock while it is called.

def report(reports):
    for ended in reports:
        print("result", ended.result, ended.error, flush=True)

executor = ProcessExecutor(2, default_registry())
executor.start(report)
executor.submit([Assignment("a", 1, "Shift", "2", None, 1)])
executor.submit([Assignment("b", 2, sys.argv[1], sys.argv[2], None, 1)])
while len(executor.pids) < 2:
    time.sleep(0.01)  # the step of this wait
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
        rest, _ = self.process.communicate(timeout=60)
        return rest


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_a_function_of_main_runs_in_a_child_that_does_not_import_main(tmp_path: Path) -> None:
    script = Script(tmp_path, "Sleep", "600")
    assert script.lines[0] == "main runs as __main__"
    assert script.lines[2] == "result 42 None"
    assert script.close() == ""
    assert script.process.returncode == 0
    # Long before the job that sleeps would have ended by itself.
    eventually(lambda: not any(alive(pid) for pid in script.pids), timeout=10)


def die_with(script: Script) -> None:
    """Kill the parent; its children must be gone before a thread of theirs could act."""
    assert all(map(alive, script.pids))
    script.process.kill()
    script.close()
    eventually(lambda: not any(map(alive, script.pids)), timeout=3.0)


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    die_with(Script(tmp_path, "Sleep", "600"))


def test_a_child_whose_job_holds_the_lock_dies_with_its_parent(tmp_path: Path) -> None:
    script = Script(tmp_path, "HoldTheLock", json.dumps(str(tmp_path / "held")))
    eventually((tmp_path / "held").exists)
    die_with(script)


def test_a_child_that_multiplies_huge_numbers_dies_with_its_parent(tmp_path: Path) -> None:
    script = Script(tmp_path, "FastFibonacci", "50000000")
    eventually(lambda: max(map(cpu_seconds, script.pids)) > 1.5)
    die_with(script)
