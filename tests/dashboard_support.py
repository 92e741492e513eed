"""A dashboard in front of a real master, for tests."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from nucleus.core.limits import Limits
from nucleus.jobs import default_registry
from nucleus.rpc.access import OPEN, Access
from nucleus.services.dashboard import Dashboard
from nucleus.services.dashboard.openapi import document
from nucleus.services.master import Master
from nucleus.services.worker import Worker
from tests.support import eventually

PATHS = document(default_registry(), [])["paths"]


@dataclass(frozen=True)
class Rest:
    """The dashboard's face, as ``requests`` sees it."""

    url: str
    master: str = ""

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make one request, on a connection of its own; its answer has to be a documented one."""
        answer = requests.request(method, self.url + path, timeout=60, **options)
        documented = documented_statuses(method, path)
        assert not documented or str(answer.status_code) in documented, answer.text
        return answer

    def get(self, path: str) -> Any:
        """The JSON answer to a GET that works."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, job_type: str, payload: Any, **options: Any) -> str:
        """Submit a job that is allowed; return its id."""
        body = {"job_type": job_type, "payload": payload, **options}
        answer = self.ask("POST", "/submit_job", json=body)
        assert answer.status_code == 200, answer.text
        job_id: str = answer.json()["job_id"]
        return job_id

    def ended(self, job_id: str) -> Any:
        """The job, once it has ended."""

        def look() -> Any:
            job = self.get(f"/jobs/{job_id}")["job"]
            return job if job["finished_at"] else None

        return eventually(look)

    def submitted(self) -> int:
        """How many jobs the ledger has taken in."""
        count: int = self.get("/stats")["stats"]["submitted"]
        return count


def documented_statuses(method: str, path: str) -> set[str]:
    """What the OpenAPI document says this call may answer; empty for a call it does not have."""
    for pattern, operations in PATHS.items():
        if re.fullmatch(re.sub("{.*?}", "[^/?]+", pattern), path.partition("?")[0]):
            return set(operations.get(method.lower(), {}).get("responses", ()))
    return set()


def error(answer: requests.Response, status: int) -> str:
    """The message of an answer that has to be an error with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body["success"] is False and set(body) == {"success", "error"}
    message: str = body["error"]
    assert "Traceback" not in message
    return message


@contextmanager
def running_dashboard(
    *, worker: str = "", limits: Limits | None = None, access: Access = OPEN
) -> Iterator[Rest]:
    """Run a master in memory and a dashboard, and a worker when it has a name."""
    master = Master(port=0, limits=limits, token=access.token)
    master.start()
    dashboard = Dashboard(port=0, master=master.address, access=access)
    dashboard.start()
    helper = None
    if worker:
        helper = Worker(master.address, name=worker, executor="thread", access=access)
    if helper is not None:
        helper.start()
    try:
        yield Rest(dashboard.url, master.address)
    finally:
        if helper is not None:
            helper.stop()
        dashboard.stop()
        master.stop()
