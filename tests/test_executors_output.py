"""What jobs print belongs to the attempt that printed it, and is bounded."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from nucleus.services.worker.executors.output import MAX_OUTPUT_BYTES
from tests.executors_support import Jobs, process_jobs
from tests.support import eventually

jobs = process_jobs


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children buffer what they print, as they do by default."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def test_a_job_that_raises_tells_what_and_where(jobs: Jobs) -> None:
    def divide(value: int) -> float:
        print("dividing")
        return 1 / value

    ended = jobs.run(divide, 0)
    assert (ended.result, ended.error) == (None, "ZeroDivisionError: division by zero")
    assert ended.output.startswith("dividing\nTraceback (most recent call last):\n")
    assert "in divide" in ended.output


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
