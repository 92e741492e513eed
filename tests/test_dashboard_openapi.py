"""The served OpenAPI document is complete, and true: schemathesis tries to prove otherwise."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from nucleus.jobs import JobType, Registry, default_registry
from nucleus.rpc.access import Access
from nucleus.services.dashboard import Dashboard
from nucleus.services.dashboard.openapi import document
from nucleus.services.master import Master
from nucleus.services.worker import Worker
from tests.dashboard_support import Rest, running_dashboard
from tests.support import eventually


@pytest.fixture(scope="module")
def rest() -> Iterator[Rest]:
    with running_dashboard() as rest:
        yield rest


def branches(openapi: Any) -> dict[str, Any]:
    """The branches of submit_job's request, by their titles."""
    found = openapi["components"]["schemas"]["SubmitRequest"]["oneOf"]
    return {branch["title"]: branch for branch in found}


def test_each_shipped_job_type_is_described_with_its_payload(rest: Rest) -> None:
    found = branches(rest.get("/openapi.json"))
    assert tuple(found) == default_registry().names()
    fibonacci = found["Fibonacci"]
    assert fibonacci["properties"]["job_type"] == {"const": "Fibonacci"}
    payload = fibonacci["properties"]["payload"]
    assert (payload["type"], payload["minimum"], payload["maximum"]) == ("integer", 0, 45)
    assert fibonacci["required"] == ["job_type", "payload"]
    assert fibonacci["additionalProperties"] is False
    assert found["Flaky"]["properties"]["payload"]["examples"] == [{"p": 0.3}]


def test_a_type_that_a_worker_brought_has_the_generic_branch() -> None:
    registry = Registry()
    registry.register(JobType("Collatz", lambda n: n))
    master = Master(port=0)
    master.start()
    worker = Worker(master.address, name="w1", executor="thread", registry=registry)
    worker.start()
    dashboard = Dashboard(port=0, master=master.address)
    dashboard.start()
    try:
        rest = Rest(dashboard.url)
        found = eventually(
            lambda: branches(rest.get("/openapi.json")).get("other job types"), timeout=60
        )
        assert found and found["properties"]["job_type"]["enum"] == ["Collatz"]
        assert rest.ended(rest.submit("Collatz", [7]))["result"] == [7]
    finally:
        dashboard.stop()
        worker.stop()
        master.stop()


class Point(BaseModel):
    x: int


class Line(BaseModel):
    start: Point
    end: Point


def test_a_payload_made_of_models_refers_to_components() -> None:
    registry = Registry()
    registry.register(JobType("Länge.1", lambda line: line, schema=Line))
    described = document(registry, [])
    payload = branches(described)["Länge.1"]["properties"]["payload"]
    reference = payload["properties"]["start"]["$ref"]
    assert reference == "#/components/schemas/payload-L_nge.1-Point"
    assert "payload-L_nge.1-Point" in described["components"]["schemas"]
    assert "examples" not in payload  # none was given, and null is none


HOOKS = '''
import schemathesis


def spelled_as_float(value):
    if isinstance(value, dict):
        return any(map(spelled_as_float, value.values()))
    if isinstance(value, list):
        return any(map(spelled_as_float, value))
    return isinstance(value, float) and value.is_integer()


@schemathesis.hook
def filter_body(context, body):
    """To JSON Schema 30.0 is an integer. To us it is a float, and no schema can say so."""
    return not spelled_as_float(body)
'''


def schemathesis_run(rest: Rest, folder: Path, examples: int, *options: str) -> None:
    """Let schemathesis try all its checks; fail with its report when it finds something."""
    (folder / "hooks_for_nucleus.py").write_text(HOOKS)
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "run", f"{rest.url}/openapi.json", "--checks=all", "--no-color"]
    command += [f"--max-examples={examples}", "--generation-database=none", *options]
    env = os.environ | {"SCHEMATHESIS_HOOKS": "hooks_for_nucleus", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=env, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 selected / 10 total" in done.stdout


def test_schemathesis_finds_nothing(rest: Rest, tmp_path: Path) -> None:
    schemathesis_run(rest, tmp_path, examples=3)


@pytest.mark.long
def test_schemathesis_finds_nothing_however_long_it_tries(rest: Rest, tmp_path: Path) -> None:
    schemathesis_run(rest, tmp_path, examples=200)


@pytest.mark.long
def test_schemathesis_finds_no_way_around_the_token(tmp_path: Path) -> None:
    with running_dashboard(access=Access("correct-horse-battery-staple")) as rest:
        shown = "Authorization: Bearer correct-horse-battery-staple"
        schemathesis_run(rest, tmp_path, 3, "--header", shown)
