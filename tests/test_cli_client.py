"""The commands that talk to a master, against a real one with a real worker."""

import json
import os
import pty
import re
import select
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nucleus.cli import main, options
from nucleus.client import Client
from nucleus.services.master import Master
from nucleus.services.worker import Worker
from tests.cli_support import PATIENCE, running
from tests.support import eventually, free_port

JOB_ID = r"[0-9a-f]{6}-\d{10}"


@pytest.fixture(scope="module")
def master() -> Iterator[str]:
    """The address of a master with one worker."""
    service = Master(port=0)
    service.start()
    worker = Worker(service.address, name="w1", slots=2, executor="thread")
    worker.start()
    yield service.address
    worker.stop()
    service.stop()


@pytest.fixture
def lonely() -> Iterator[str]:
    """The address of a master without workers."""
    service = Master(port=0)
    service.start()
    yield service.address
    service.stop()


def nucleus(master: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"NUCLEUS_MASTER": master})


def as_json(master: str, *arguments: str, code: int = 0) -> Any:
    result = nucleus(master, *arguments, "--json")
    assert (result.exit_code, result.stderr) == (code, "")
    return json.loads(result.stdout)


# submit


def test_submit_prints_the_id_of_each_job(master: str) -> None:
    result = nucleus(master, "submit", "Echo", "1", "--count", "3")
    assert result.exit_code == 0
    assert re.fullmatch(rf"({JOB_ID}\n){{3}}", result.stdout)


def test_submit_and_wait_shows_the_results(master: str) -> None:
    result = nucleus(master, "submit", "Fibonacci", "20", "--count", "2", "--wait")
    assert result.exit_code == 0
    row = rf"{JOB_ID} +Fibonacci +20 +COMPLETED +1/3 +w1 +\d+ ms +6765"
    assert len(re.findall(row, result.stdout)) == 2
    assert "2 of 2 completed in" in result.stdout


def test_what_went_wrong_stands_first_and_exits_with_1(master: str) -> None:
    flaky = ["submit", "Flaky", '{"p": 0.5}', "--max-attempts", "1", "--count", "40", "--wait"]
    result = nucleus(master, *flaky)
    assert result.exit_code == 1
    rows = re.findall(rf"^{JOB_ID} .* (FAILED|COMPLETED) ", result.stdout, re.MULTILINE)
    assert len(rows) == 20
    assert rows[0] == "FAILED"
    assert rows == sorted(rows, reverse=True)
    assert "RuntimeError: bad luck" in result.stdout
    assert re.search(r"\d+ of 40 completed, \d+ failed in .*; 20 more are not shown", result.stdout)


def test_submit_tells_a_program_what_became_of_each_job(master: str) -> None:
    done = as_json(master, "submit", "Echo", '{"a": [1]}', "--wait")
    assert done.pop("seconds") > 0
    assert re.fullmatch(JOB_ID, done["jobs"][0].pop("job_id"))
    assert done == {
        "submitted": 1,
        "completed": 1,
        "failed": 0,
        "cancelled": 0,
        "jobs": [{"status": "COMPLETED", "result": {"a": [1]}, "error": ""}],
    }
    failed = as_json(master, "submit", "Flaky", '{"p": 1}', "--max-attempts", "1", "--wait", code=1)
    assert failed["failed"] == 1
    assert failed["jobs"][0]["error"] == "RuntimeError: bad luck"


def test_submit_hands_its_options_on(lonely: str) -> None:
    options = ["--priority", "7", "--max-attempts", "2", "--delay", "60", "--timeout", "9"]
    submitted = as_json(lonely, "submit", "Echo", "1", *options)
    [job] = as_json(lonely, "jobs")
    assert job["job_id"] == submitted["jobs"][0]["job_id"]
    assert (job["priority"], job["max_attempts"]) == (7, 2)


def test_the_same_key_gives_the_same_job(lonely: str) -> None:
    first, second = (nucleus(lonely, "submit", "Echo", "1", "--key", "k").stdout for _ in "12")
    assert first == second
    other = nucleus(lonely, "submit", "Echo", "2", "--key", "k")
    assert other.exit_code == 1
    assert other.stderr.startswith("Error: ")


def test_a_job_type_that_nobody_knows_is_refused_with_those_that_are(master: str) -> None:
    result = nucleus(master, "submit", "Fib", "1", "--count", "3")
    assert result.exit_code == 2
    assert re.fullmatch(r"Error: job_type: .*'Fib'.*Fibonacci.*\n", result.stderr)


# jobs, cancel, retry


def test_jobs_lists_the_newest_last(lonely: str) -> None:
    nucleus(lonely, "submit", "Echo", '"[red]"', "--count", "3")
    last = nucleus(lonely, "submit", "Sleep", "1").stdout.strip()
    result = nucleus(lonely, "jobs", "--limit", "2")
    assert [line.split()[0] for line in result.stdout.splitlines()[2:4]][1] == last
    assert '"[red]"' in result.stdout  # what a job says is never markup
    assert "2 of 4 jobs; --limit shows more" in result.stdout
    assert len(as_json(lonely, "jobs")) == 4


def test_a_queued_job_can_be_cancelled_and_made_again(lonely: str) -> None:
    job = nucleus(lonely, "submit", "Echo", "1").stdout.strip()
    early = nucleus(lonely, "retry", job)
    assert early.exit_code == 1
    assert early.stderr.startswith("Error: ")
    cancelled = nucleus(lonely, "cancel", job)
    assert (cancelled.exit_code, cancelled.stdout) == (0, f"cancelled {job}\n")
    again = nucleus(lonely, "retry", job)
    assert again.exit_code == 0
    [made] = as_json(lonely, "jobs", "--status", "queued")
    assert (made["job_id"], made["retry_of"]) == (again.stdout.strip(), job)
    assert [gone["job_id"] for gone in as_json(lonely, "jobs", "--status", "CANCELLED")] == [job]


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_a_job_that_nobody_knows_exits_with_1(lonely: str, command: str) -> None:
    result = nucleus(lonely, command, "nonsense")
    assert result.exit_code == 1
    assert re.fullmatch("Error: .*nonsense.*\n", result.stderr)


def test_no_jobs_are_no_error(lonely: str) -> None:
    assert nucleus(lonely, "jobs").stdout == "0 of 0 jobs\n"


# workers, top, bench


def test_workers_shows_heartbeats_and_what_each_can_do(master: str) -> None:
    result = nucleus(master, "workers")
    assert re.search(r"^w1 +alive +2 +\d +\d +\d\.\d s +Echo, FastFib", result.stdout, re.MULTILINE)
    [worker] = as_json(master, "workers")
    assert (worker["name"], worker["state"], worker["slots"]) == ("w1", "alive", 2)
    assert 0 <= worker["heartbeat_age"] < 10


def test_without_workers_one_is_told_how_to_start_one(lonely: str) -> None:
    for command in (["workers"], ["top", "--once"]):
        assert "start one with: nucleus worker" in nucleus(lonely, *command).stdout
    assert as_json(lonely, "workers") == []


def test_top_once_is_one_frame_or_one_object(master: str) -> None:
    frame = nucleus(master, "top", "--once").stdout
    assert master in frame
    assert re.search(r"^COMPLETED +[\d,]+", frame, re.MULTILINE)
    assert re.search(r"^w1 +alive +\d/2", frame, re.MULTILINE)
    stats = as_json(master, "top", "--once")
    assert sum(stats["jobs"].values()) == stats["submitted"]
    assert stats["workers"][0]["name"] == "w1"


def test_top_draws_until_ctrl_c(master: str) -> None:
    ours, theirs = pty.openpty()
    try:
        top = ["nucleus", "top", "--master", master, "--interval", "0.1"]
        with running(*top, env={"TERM": "xterm"}, stdout=theirs) as child:
            seen = ""
            while seen.count("w1") < 3:  # frames
                assert select.select([ours], [], [], PATIENCE)[0], "it draws nothing"
                seen += os.read(ours, 4096).decode(errors="replace")
            code, _, log = child.end(signal.SIGINT)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (code, log) == (0, "")


def test_bench_measures_a_running_master(master: str) -> None:
    report = as_json(master, "bench", "--jobs", "60", "--samples", "20")
    assert (report["jobs"], report["samples"], report["workers"]) == (60, 20, 1)
    assert report["jobs_per_second"] > 1
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    table = nucleus(master, "bench", "--jobs", "20", "--samples", "2").stdout
    assert re.search(r"jobs/s, 20 Echo jobs +[\d,]+", table)


def test_bench_without_workers_does_not_wait_for_ever(lonely: str) -> None:
    result = nucleus(lonely, "bench")
    assert result.exit_code == 3
    assert "has no worker" in result.stderr


# Nobody there; Ctrl-C


@pytest.mark.parametrize(
    "command",
    [
        ["submit", "Echo", "1"],
        ["jobs"],
        ["workers"],
        ["cancel", "x"],
        ["retry", "x"],
        ["top"],
        ["bench"],
    ],
)
def test_a_master_that_cannot_be_reached_exits_with_3(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert options.PATIENCE <= 3  # seconds; nobody waits longer at a terminal
    monkeypatch.setattr(options, "PATIENCE", 0.2)
    address = f"127.0.0.1:{free_port()}"
    result = nucleus(address, *command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert re.fullmatch(f"Error: no answer from the master at {address} .*\n", result.stderr)


def test_ctrl_c_leaves_the_jobs_alone(lonely: str) -> None:
    with (
        running("nucleus", "submit", "Echo", "1", "--wait", "--master", lonely) as child,
        Client(lonely) as client,
    ):
        [job] = eventually(lambda: list(client.jobs()))
        code, out, err = child.end(signal.SIGINT)
        # While Python runs a text of a module that it imports, an interrupt ends it in the end
        # like one that nobody caught; what a shell makes of that is 130 as well.
        assert code in (130, -signal.SIGINT), err
        assert out == ""
        assert err == "jobs that were taken in go on without you; see: nucleus jobs\n"
        assert client.job(job.id).status == "QUEUED"
