"""The lab in containers, on a real engine: from an empty machine to a clean one again."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.containers_support import (
    CHAOS_EVERY,
    CHAOS_MINUTES,
    Lab,
    copy_of_the_project,
    make_base_images,
    running_engine,
)
from tests.support import eventually

# All but Grafana, whose image cannot be made from Debian's packages.
SERVICES = ("monitoring", "master", "worker", "dashboard", "prometheus", "jupyter")
JOBS = 200


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An engine, the images that would be pulled, and a lab that is not started yet."""
    folder = tmp_path_factory.mktemp("engine")
    with running_engine(folder) as engine:
        make_base_images(engine, folder)
        yield Lab(engine, copy_of_the_project(folder), SERVICES)


@pytest.fixture(autouse=True)
def _tell_how_long_each_step_took(
    lab: Lab, record_property: Callable[[str, object], None]
) -> Iterator[None]:
    yield
    for step, took in lab.engine.seconds.items():
        record_property("took", f"{took:6.1f} s  {step}")
    lab.engine.seconds.clear()


class Rest:
    """The dashboard, as ``curl`` would use it, with the token from the links."""

    def __init__(self, links: str) -> None:
        found = re.search(r"(http://127.0.0.1:5000/)\?token=(\S+)", links)
        assert found, links
        self._url, token = found.groups()
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def submit(self, job_type: str, payload: object) -> str:
        """Submit a job; return its id."""
        job = {"job_type": job_type, "payload": payload}
        answer = self._session.post(f"{self._url}submit_job", json=job, timeout=60)
        assert answer.ok, answer.text
        job_id: str = answer.json()["job_id"]
        return job_id

    def statuses(self) -> dict[str, str]:
        """Return the status of every job."""
        answer = self._session.get(f"{self._url}get_all_jobs", timeout=60)
        if not answer.ok:
            return {}  # the master is just away
        return {name: job["status"] for name, job in answer.json()["jobs"].items()}

    def stats(self) -> dict[str, Any]:
        """Return what ``/stats`` says."""
        stats: dict[str, Any] = self._session.get(f"{self._url}stats", timeout=60).json()["stats"]
        return stats

    def held_by(self, hostname: str) -> int:
        """Return how many jobs are leased to the workers on a host."""
        workers = self._session.get(f"{self._url}workers", timeout=60).json()["workers"]
        return sum(w["held"] for w in workers if w["name"].startswith(f"{hostname}-"))


def unhealthy(lab: Lab) -> list[str]:
    """Return the containers that are not well, the one that had only to run once left out."""
    return [
        f"{container['Name']} {container['State']['Status']}"
        for container in lab.containers()
        if container["State"].get("Health", {}).get("Status") != "healthy"
        and not (service(container) == "secrets" and container["State"]["ExitCode"] == 0)
    ]


def service(container: dict[str, Any]) -> str:
    name: str = container["Config"]["Labels"]["com.docker.compose.service"]
    return name


def users(lab: Lab, container: dict[str, Any]) -> set[str]:
    """Return who the processes of a container run as, by number."""
    rows = lab.engine.docker("top", container["Id"], "-o", "uid,pid").splitlines()[1:]
    return {row.split()[0] for row in rows}


@pytest.mark.long
def test_the_lab_comes_up_and_nothing_is_lost_when_containers_die(lab: Lab) -> None:
    engine = lab.engine
    with engine.timed("build and start"):
        lab.up()
    rest = Rest(lab.compose("run", "--rm", "links"))
    assert requests.get("http://127.0.0.1:5000/stats", timeout=60).status_code == 401

    with engine.timed("200 jobs, a worker killed, the master restarted"):
        # Long ones first, so that the worker certainly holds some when it is killed.
        jobs = [rest.submit("Sleep", 5) for _ in range(6)]
        hostname = engine.docker("inspect", "-f", "{{.Config.Hostname}}", "nucleus-worker-2")
        eventually(lambda: rest.held_by(hostname), 30, 0.1)
        engine.docker("kill", "nucleus-worker-2")
        jobs += [rest.submit("Fibonacci", 20) for _ in range(JOBS - len(jobs))]
        engine.docker("restart", "nucleus-master-1")
        eventually(lambda: rest.statuses() == dict.fromkeys(jobs, "COMPLETED"), 90, 0.5)
        assert rest.stats()["requeued"]["worker_lost"] > 0
    with engine.timed("Prometheus sees the dead worker"):
        eventually(lambda: lab.query("nucleus_worker_up == 0"), 60, 1.0)
        eventually(lambda: lab.query('nucleus_workers{state="lost"} > 0'), 60, 1.0)
        # Metrics arrive some seconds after what they tell: pushed every 3 s, scraped every 5 s.
        completed = 'nucleus_jobs_finished_total{outcome="completed"}'
        eventually(lambda: lab.query(f"{completed} == {JOBS}"), 60, 1.0)

    engine.docker("start", "nucleus-worker-2")
    with engine.timed("all healthy again"):
        eventually(lambda: unhealthy(lab) == [], 90, 1.0)


@pytest.mark.long
def test_a_notebook_in_a_container_works_on_the_cluster_in_containers(lab: Lab) -> None:
    lab.up()
    lesson = "/srv/nucleus/notebooks/containers.ipynb"
    command = f"cd /tmp && jupyter execute --output=/tmp/done.ipynb {lesson}"
    with lab.engine.timed("a lesson in JupyterLab's container"):
        lab.compose(
            *("exec", "-T", "-e", "NUCLEUS_NONINTERACTIVE=1", "jupyter", "sh", "-c", command),
            timeout=120,
        )
    done = lab.compose("exec", "-T", "jupyter", "cat", "/tmp/done.ipynb")
    assert "a master that was there" in done
    assert '"name": "stderr"' not in done


@pytest.mark.long
def test_nobody_is_root_and_nobody_can_write_where_programs_are(lab: Lab) -> None:
    lab.up()
    for container in lab.containers():
        if container["State"]["Running"]:
            assert users(lab, container) <= {"10001", "65534"}  # 65534: nobody, of Prometheus
        # Also of those that have ended by now, such as the one that writes the secrets.
        assert container["Config"]["User"] in ("10001:10001", "nobody"), container["Name"]
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert "docker.sock" not in str(container["Mounts"])
    for image in ("nucleus-services", "nucleus-jupyter"):
        user = lab.engine.docker("image", "inspect", "-f", "{{.Config.User}}", image)
        assert user == "10001:10001"


@pytest.mark.long
@pytest.mark.parametrize("service", ["worker", "jupyter"])
def test_nothing_that_builds_or_installs_programs_is_in_an_image(lab: Lab, service: str) -> None:
    lab.up()

    def run(command: str) -> str:
        return lab.compose("exec", "-T", service, "sh", "-c", command)

    assert run("for each in cc gcc git make pip pip3 wheel; do command -v $each; done; true") == ""
    # The environment's Python and the one that it was made with, which has modules of its own.
    for python in ("/opt/nucleus/bin/python", "$(readlink -f /opt/nucleus/bin/python)"):
        for name in ("pip", "setuptools", "wheel", "ensurepip"):
            said = run(f"{python} -c 'import {name}' 2>&1; true")
            assert said.endswith(f"ModuleNotFoundError: No module named '{name}'"), said


@pytest.mark.long
def test_a_slow_network_is_laid_over_the_lab(lab: Lab) -> None:
    with lab.engine.timed("slow network: start"):
        lab.up("labs/environments/slow-network/compose.yml")
    rest = Rest(lab.compose("run", "--rm", "links"))
    jobs = {rest.submit("Echo", number) for number in range(20)}
    eventually(lambda: ended(rest, jobs), 60, 0.5)
    lab.up()
    lab.compose("up", "--detach", "--wait", "--remove-orphans", *SERVICES, timeout=120)


def ended(rest: Rest, jobs: set[str]) -> bool:
    """Whether all of these jobs are completed."""
    statuses = rest.statuses()
    return all(statuses.get(job) == "COMPLETED" for job in jobs)


@pytest.mark.long
def test_chaos_breaks_containers_and_mends_them(lab: Lab) -> None:
    lab.up()
    rest = Rest(lab.compose("run", "--rm", "links"))
    jobs = {rest.submit("Sleep", 0.2) for _ in range(60)}
    with lab.engine.timed("chaos on the host"), running_chaos(lab, CHAOS_MINUTES) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert said.endswith("everything mended\n")
    eventually(lambda: ended(rest, jobs), 90, 0.5)
    eventually(lambda: unhealthy(lab) == [], 120, 1.0)


@pytest.mark.long
def test_ctrl_c_mends_what_chaos_broke(lab: Lab) -> None:
    lab.up()
    with running_chaos(lab, minutes=5) as process:
        eventually(lambda: [c for c in lab.containers() if broken(c)], 60, 0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert [c["Name"] for c in lab.containers() if broken(c)] == []


@contextmanager
def running_chaos(lab: Lab, minutes: float) -> "Iterator[subprocess.Popen[str]]":
    """Run the command that breaks containers; it is over at the end."""
    script = lab.folder / "labs" / "environments" / "chaos" / "chaos.py"
    command = [sys.executable, str(script), f"--every={CHAOS_EVERY}", f"--minutes={minutes}"]
    process = subprocess.Popen(
        command, env=lab.engine.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def broken(container: dict[str, Any]) -> bool:
    """Whether it was killed, paused, or cut off from the others."""
    state, networks = container["State"], container["NetworkSettings"]["Networks"]
    away = not state["Running"] or state["Paused"] or not networks
    return away and service(container) not in ("secrets", "links")


@pytest.mark.long
def test_the_lab_stops_cleanly_and_leaves_nothing_behind(lab: Lab) -> None:
    lab.up()
    rest = Rest(lab.compose("run", "--rm", "links"))
    rest.submit("Sleep", 600)
    eventually(lambda: rest.stats()["jobs"]["RUNNING"], 30, 0.1)
    with lab.engine.timed("stop, with a job running"):
        lab.compose("stop", timeout=60)
    # 137 would be: killed, because it did not stop in time.
    codes = {c["Name"]: c["State"]["ExitCode"] for c in lab.containers()}
    assert codes == dict.fromkeys(codes, 0)
    with lab.engine.timed("down"):
        lab.compose("down", "--volumes", "--remove-orphans", timeout=60)
    for kind in ("container", "volume", "network"):
        assert "nucleus" not in lab.engine.docker(kind, "ls")
