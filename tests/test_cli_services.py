"""Each part as a process: ready line, signals, lifeline, exit codes, environment."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from nucleus.client import Client
from nucleus.services.master import Master
from tests.cli_support import Child, run, running
from tests.support import eventually, free_port

READY = {
    "master": r"master: gRPC on 127\.0\.0\.1:(\d+), store memory\n",
    "worker": r"worker w1: 1 slots? \(process\), master 127\.0\.0\.1:1\n",
    "monitoring": r"monitoring: push to http://127\.0\.0\.1:(\d+), scrape \S+:(\d+)/metrics\n",
    "dashboard": r"dashboard\b.*http://127\.0\.0\.1:(\d+).*\n",
}
OPTIONS = {
    "master": ["--port", "0"],
    "worker": ["--master", "127.0.0.1:1", "--name", "w1"],
    "monitoring": ["--push-port", "0", "--scrape-port", "0"],
    "dashboard": ["--port", "0", "--master", "127.0.0.1:1"],
}
PORT_OPTION = {
    "master": ["--port"],
    "monitoring": ["--scrape-port", "0", "--push-port"],
    "dashboard": ["--port"],
}
JOBS = """\
import pathlib, time
import nucleus

@nucleus.job_type("Double", payload=int)
def double(n):
    return 2 * n

@nucleus.job_type("Mark", payload=dict)
def mark(task):
    "Leave a file when it begins, and take a while."
    pathlib.Path(task["file"]).touch()
    time.sleep(task["seconds"])  # the work of the job
"""


@pytest.fixture
def master() -> Iterator[Master]:
    service = Master(port=0)
    service.start()
    yield service
    service.stop()


def one_line(text: str) -> str:
    assert len(text.splitlines()) == 1, text
    return text


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("part", READY)
def test_a_part_says_that_it_is_ready_and_sigterm_stops_it_cleanly(part: str) -> None:
    with running(f"nucleus.services.{part}", *OPTIONS[part]) as child:
        ready = re.fullmatch(READY[part], child.line())
        assert ready
        assert not any(is_free(int(port)) for port in ready.groups())
        code, rest, log = child.end(signal.SIGTERM)
        assert (code, rest) == (0, "")
        assert f"{part}: stopping: SIGTERM" in log
        assert "Traceback" not in log
        assert all(is_free(int(port)) for port in ready.groups())


def test_ctrl_c_stops_a_part_with_130() -> None:
    with running("nucleus", "monitoring", *OPTIONS["monitoring"]) as child:
        child.line()
        assert child.end(signal.SIGINT)[0] == 130


@pytest.mark.parametrize("part", PORT_OPTION)
def test_a_taken_port_is_one_line_and_exit_code_2(part: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        code, out, err = run(f"nucleus.services.{part}", *PORT_OPTION[part], str(port))
    assert (code, out) == (2, "")
    assert f"port {port} on 127.0.0.1 is taken" in one_line(err)
    assert f"another with {PORT_OPTION[part][-1]}" in err


def test_a_store_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "notes.txt"
    store.write_text("not a database")
    code, out, err = run("nucleus", "master", "--port", "0", "--store", str(store))
    assert (code, out) == (2, "")
    assert "is not a database" in one_line(err)
    assert store.read_text() == "not a database"


def test_job_types_that_cannot_be_imported_are_one_line_and_exit_code_2() -> None:
    code, _, err = run("nucleus", "worker", env={"NUCLEUS_WORKER_JOBS": "no_such_module"})
    assert code == 2
    assert "jobs: no_such_module cannot be imported" in one_line(err)


@pytest.mark.parametrize("part", ["master", "worker"])
def test_a_part_ends_when_its_lifeline_does(part: str) -> None:
    theirs, ours = os.pipe()
    options = [*OPTIONS[part], "--lifeline", str(theirs)]
    with running(f"nucleus.services.{part}", *options, pass_fds=(theirs,)) as child:
        os.close(theirs)
        child.line()
        family = psutil.Process(child.process.pid).children(recursive=True)
        os.close(ours)
        code, _, log = child.end()
        assert code == 0
        assert "whoever started it is gone" in log
        eventually(lambda: not any(process.is_running() for process in family))


def test_every_option_has_an_environment_twin() -> None:
    port = free_port()
    env = {"NUCLEUS_MASTER_PORT": str(port), "NUCLEUS_MASTER_LOG_LEVEL": "error"}
    with running("nucleus.services.master", env=env) as child:
        assert f"127.0.0.1:{port}" in child.line()
        assert child.end(signal.SIGTERM) == (0, "", "")


def test_a_worker_takes_its_master_and_its_job_types_from_the_environment(
    master: Master, tmp_path: Path
) -> None:
    (tmp_path / "more_jobs.py").write_text(JOBS)
    env = {
        "NUCLEUS_MASTER": master.address,
        "NUCLEUS_WORKER_JOBS": "more_jobs",
        "PYTHONPATH": str(tmp_path),
    }
    with running("nucleus.services.worker", env=env) as child, Client(master.address) as client:
        child.line()
        eventually(lambda: "Double" in client.stats().job_types)
        assert client.submit("Double", 21).result(60) == 42


def worker_of(master: Master, *options: str) -> list[str]:
    return ["nucleus", "worker", "--master", master.address, *options]


@contextmanager
def a_busy_worker(
    master: Master, folder: Path, seconds: float, *options: str
) -> Iterator[tuple[Child, Callable[[], str]]]:
    """A worker that has begun a job of so many seconds, and what tells the status of that job."""
    (folder / "more_jobs.py").write_text(JOBS)
    command = worker_of(master, "--jobs", "more_jobs", *options)
    with (
        Client(master.address) as client,
        running(*command, env={"PYTHONPATH": str(folder)}) as child,
    ):
        eventually(lambda: "Mark" in client.stats().job_types)
        begun = folder / "begun"
        job = client.submit("Mark", {"file": str(begun), "seconds": seconds}).id
        eventually(begun.exists)
        yield child, lambda: client.job(job).status


def test_sigterm_lets_a_worker_finish_what_runs(master: Master, tmp_path: Path) -> None:
    with a_busy_worker(master, tmp_path, 1) as (child, status):
        assert child.end(signal.SIGTERM)[0] == 0
        assert status() == "COMPLETED"


def test_ctrl_c_has_a_worker_hand_back_what_runs(master: Master, tmp_path: Path) -> None:
    with a_busy_worker(master, tmp_path, 600) as (child, status):
        assert child.end(signal.SIGINT)[0] == 130
        assert status() == "QUEUED"


def test_ctrl_c_ends_a_stop_that_takes_too_long(master: Master, tmp_path: Path) -> None:
    with a_busy_worker(master, tmp_path, 600, "--drain", "60") as (child, status):
        child.process.send_signal(signal.SIGTERM)
        until_it_says(child, "stopping: SIGTERM")
        assert child.end(signal.SIGINT)[0] == 130
        assert status() == "RUNNING", "nobody waits until it is handed back"


def until_it_says(child: Child, text: str) -> None:
    log = child.process.stderr
    assert log is not None
    assert any(text in line for line in log)


def test_a_worker_whose_name_is_taken_over_exits_with_1(master: Master) -> None:
    with Client(master.address) as client, running(*worker_of(master, "--name", "w")) as first:
        eventually(lambda: [worker for worker in client.workers() if worker.connected])
        with running(*worker_of(master, "--name", "w")):
            code, _, log = first.end()
    assert code == 1
    assert re.search(r"^Error: worker stops: .*took its place$", log, re.MULTILINE)


def test_a_master_whose_store_is_taken_over_exits_with_1(tmp_path: Path) -> None:
    command = ["nucleus", "master", "--port", "0", "--store", str(tmp_path / "jobs.db")]
    with running(*command) as first:
        first.line()
        code, _, err = run(*command)
        assert code == 2
        assert "--take-over" in one_line(err)
        with running(*command, "--take-over") as second:
            second.line()
            code, _, log = first.end()
    assert code == 1
    assert re.search(r"^Error: master stops: .*taken", log, re.MULTILINE)


def test_a_worker_does_without_the_web_server() -> None:
    program = "import sys, nucleus.services.worker.command, nucleus.services.worker.service\n"
    program += "sys.exit('flask' in sys.modules or 'waitress' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
