"""The process executor stops jobs: those that take too long, and those that are cancelled."""

import subprocess
import time
from pathlib import Path

from tests.executors_support import Jobs, alive, process_jobs
from tests.support import eventually

jobs = process_jobs


def test_a_timeout_kills_the_job_and_frees_the_slot(jobs: Jobs) -> None:
    def talk_and_sleep(seconds: float) -> None:
        print("going to sleep")
        time.sleep(seconds)  # the work of the job, which is cut short

    ended = jobs.run(talk_and_sleep, 60, timeout=0.3)
    assert (ended.result, ended.error) == (None, "timed out after 0.3 s")
    assert ended.output == "going to sleep\n"
    assert 0.3 <= ended.run_seconds < 2
    assert jobs.executor.running == ()
    leases = {jobs.submit("Echo"), jobs.submit("Echo")}
    assert {jobs.ended().lease, jobs.ended().lease} == leases


def test_a_timeout_does_not_run_while_the_process_is_starting() -> None:
    jobs = Jobs()
    assert jobs.run("Sleep", 0, timeout=0.02).error is None
    jobs.executor.stop()


def test_a_job_that_holds_the_interpreter_lock_is_timed_out_too(jobs: Jobs) -> None:
    ended = jobs.run("FastFibonacci", 50_000_000, timeout=1.0)
    assert ended.error == "timed out after 1.0 s"
    assert ended.run_seconds < 2


def test_a_cancelled_job_is_killed_and_never_reported(jobs: Jobs, tmp_path: Path) -> None:
    def touch_and_sleep(path: str) -> None:
        Path(path).touch()
        time.sleep(600)  # the work of the job, which is cut short

    jobs.run("Echo")
    lease = jobs.submit(touch_and_sleep, str(tmp_path / "began"))
    eventually((tmp_path / "began").exists)
    before = set(jobs.executor.pids)
    assert jobs.executor.cancel(lease)
    assert jobs.executor.running == ()
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
