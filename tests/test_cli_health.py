"""``nucleus health`` on real parts, and ``nucleus proxy`` between two of them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from nucleus.cli import main
from nucleus.client import Client
from nucleus.services.master import Master
from nucleus.services.monitoring import Monitoring
from nucleus.services.worker.service import default_name
from tests.support import eventually, free_port, running_master, running_worker, wait_for_output


@pytest.fixture
def master() -> Iterator[Master]:
    with running_master() as service:
        yield service


def health(target: str, *arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, ["health", target, *arguments])


@contextmanager
def slow_network(master: str, delay: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run ``nucleus proxy`` before a master; yield its line, and the process."""
    command = [sys.executable, "-m", "nucleus", "proxy", "--listen", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(
        [*command, "--to", master, "--delay", delay],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield wait_for_output(process, "proxy: "), process
    finally:
        process.kill()
        process.communicate()


def test_a_master_that_serves_is_well(master: Master) -> None:
    result = health(master.address)
    assert (result.exit_code, result.stdout) == (0, f"{master.address}: well\n")


def test_no_proxy_of_the_environment_stands_between(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert health(master.address).exit_code == 0


def test_a_master_that_is_gone_is_not() -> None:
    address = f"127.0.0.1:{free_port()}"
    result = health(address)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{address}: no answer")


def test_a_page_is_well_when_it_says_so() -> None:
    monitoring = Monitoring(push_port=0, scrape_port=0)
    monitoring.start()
    try:
        page = f"http://127.0.0.1:{monitoring.scrape_port}/healthz"
        assert health(page).exit_code == 0
        missing = health(page + "/nothing")
        assert (missing.exit_code, missing.stdout) == (1, f"{page}/nothing: 404 NOT FOUND\n")
    finally:
        monitoring.stop()
    assert health(page).stdout.startswith(f"{page}: no answer")


def test_the_workers_of_this_machine_are_well_when_the_master_counts_on_one(
    master: Master,
) -> None:
    where = ("--master", master.address)
    nobody = health("worker", *where)
    assert nobody.exit_code == 1
    assert "the master knows none" in nobody.stdout
    with running_worker(master.address, default_name()), Client(master.address) as client:
        eventually(client.workers)
        assert health("worker", *where).exit_code == 0


def test_a_target_that_is_none_is_told_what_one_looks_like() -> None:
    result = health("somewhere")
    assert result.exit_code == 2
    assert "write HOST:PORT, such as 127.0.0.1:50051" in result.stderr


def test_a_slow_network_delays_an_answer_and_ends_with_ctrl_c(master: Master) -> None:
    with slow_network(master.address, "0.25") as (line, process):
        found = re.fullmatch(r"proxy: (\S+) leads to (\S+), 0.25 s later each way", line)
        assert found and found[2] == master.address
        assert health(found[1]).exit_code == 0
        process.send_signal(2)
        assert process.wait(timeout=60) == 130


@pytest.mark.long
def test_patience_is_what_a_very_slow_network_needs(master: Master) -> None:
    with slow_network(master.address, "2") as (line, _), Client(master.address) as client:
        address = line.split()[1]
        assert health(address, "--patience", "1").stdout == (
            f"{address}: no answer (DEADLINE_EXCEEDED)\n"
        )
        with running_worker(address, default_name()):
            # What the health checks of labs/environments/slow-network say and ask.
            environment = {"NUCLEUS_HEALTH_PATIENCE": "15"}
            assert health(address, **environment).exit_code == 0
            eventually(client.workers)
            asked = health("worker", "--master", address, **environment)
            assert (asked.exit_code, asked.stdout) == (0, "worker: well\n")


def test_a_proxy_on_a_port_that_is_taken_says_so(master: Master) -> None:
    result = CliRunner().invoke(main, ["proxy", "--listen", master.address])
    assert result.exit_code == 2
    assert f"port {master.port} on 127.0.0.1 is taken" in result.stderr
    assert "--listen" in result.stderr


def test_a_proxy_on_an_address_of_no_machine_names_its_own_option() -> None:
    result = CliRunner().invoke(main, ["proxy", "--listen", "192.0.2.1:50052"])
    assert result.exit_code == 2
    assert result.stderr.endswith("; choose another address with --listen\n")
