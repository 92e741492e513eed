"""Disks that really fail, and two masters that want the same file."""

import resource
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from tests.durable_judge import judge
from tests.durable_support import Load, MasterCommand, Told, master_command
from tests.support import (
    eventually,
    fill,
    open_stub,
    small_file_system,
)
from tests.test_master_durable import health, locked

ECHO = pb.JobSpec(job_type="Echo", payload="1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


# ---- disks that really fail -----------------------------------------------------------


def test_a_master_that_dies_on_a_full_disk_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_file_system(tmp_path) as folder:
        log = tmp_path / "log"
        with master_command(folder / "ledger.db", log=log) as master:
            with closing(Load(master.address, outstanding=50)) as load:
                load.flows()
                ballast = fill(folder)
                eventually(lambda: health(master.address) == "NOT_SERVING")
                master.kill()
                load.learn()
                master.begin()
                assert master.exit_code() != 0, "there is no room for the next epoch"
                ballast.unlink()
                master.start()
                load.drain()
            master.kill()
        judge(master.store, [load.told])


def test_a_limit_on_the_size_of_files_is_lived_through(file: Path) -> None:
    with master_command(file) as master:
        with closing(Load(master.address, outstanding=200)) as load:
            load.flows()
            limit_file_size(master, 64 * 1024)
            eventually(lambda: health(master.address) == "NOT_SERVING")
            limit_file_size(master, resource.RLIM_INFINITY)
            load.flows()
            load.drain()
        master.kill()
    judge(file, [load.told])


def limit_file_size(master: MasterCommand, size: int) -> None:
    """Let writes beyond ``size`` bytes fail in the process of the master."""
    limits = size, resource.RLIM_INFINITY
    resource.prlimit(master.process.pid, resource.RLIMIT_FSIZE, limits)


def test_a_file_that_somebody_else_locks_is_waited_for(file: Path) -> None:
    with master_command(file) as master:
        with closing(Load(master.address, outstanding=200)) as load:
            load.flows()
            with locked(file):
                eventually(lambda: health(master.address) == "NOT_SERVING")
            load.flows()
            load.drain()
        master.kill()
    judge(file, [load.told])


def test_a_file_system_that_became_read_only_is_refused(tmp_path: Path) -> None:
    with small_file_system(tmp_path) as folder:
        log = tmp_path / "log"
        with master_command(folder / "ledger.db", log=log) as master:
            with open_stub(master.address) as stub:
                kept = stub.SendJob(ECHO).job_id
            master.kill()
            remount(folder, "ro")
            master.begin()
            assert master.exit_code() == 2 and "read-only" in log.read_text()
            remount(folder, "rw")
            master.start()
            master.kill()
        judge(master.store, [Told({kept: ("Echo", "1")})])


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


# ---- two masters ----------------------------------------------------------------------


class Callers:
    """Submit one call at a time each, from several threads, until a call breaks."""

    def __init__(self, address: str, threads: int = 8) -> None:
        self.told: dict[str, tuple[str, str]] = {}
        self.broken: list[str] = []  # status codes
        self._channel = grpc.insecure_channel(address)
        self._stub = JobQueueServiceStub(self._channel)
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.told[self._stub.SendJob(ECHO).job_id] = "Echo", "1"
            except grpc.RpcError as error:
                status: Any = error
                self.broken.append(status.code().name)
                return

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=60)
        self._channel.close()


def freeze(master: MasterCommand) -> None:
    """Freeze a busy master, at a moment at which it is not writing to the file.

    One that is frozen while it writes keeps everybody out until it is ended.
    """

    def frozen() -> bool:
        master.process.send_signal(signal.SIGSTOP)
        eventually(lambda: master.look().status() == psutil.STATUS_STOPPED)
        with closing(sqlite3.connect(master.store, timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                return True
            except sqlite3.OperationalError:
                master.process.send_signal(signal.SIGCONT)
                return False

    eventually(frozen)


def test_a_frozen_master_that_was_replaced_exits_and_commits_nothing(file: Path) -> None:
    with master_command(file) as older:
        callers = Callers(older.address)
        eventually(lambda: len(callers.told) > 100)
        freeze(older)
        acknowledged = dict(callers.told)
        with master_command(file, "--take-over") as newer, open_stub(newer.address) as stub:
            there = set(judge(file, [Told(acknowledged)]).jobs)
            mine = {stub.SendJob(ECHO).job_id for _ in range(3)}
            older.process.send_signal(signal.SIGCONT)
            assert older.exit_code() == 1
            callers.join()
            mine |= {stub.SendJob(ECHO).job_id for _ in range(3)}
            jobs = stub.GetClusterState(pb.GetClusterStateRequest()).jobs
            assert sum(jobs.values()) == len(there) + len(mine)
        assert "another master has taken" in older.log.read_text()
    assert len(callers.broken) == 8, "every call under way broke"
    assert set(judge(file, [Told(callers.told)]).jobs) == there | mine
