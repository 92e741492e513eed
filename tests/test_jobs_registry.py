"""The list of job types: adding to it, and asking it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

import nucleus.jobs.registry as registry_module
from nucleus.core.errors import InvalidArgument
from nucleus.jobs import Between, JobType, Registry, default_registry, job_type, load_modules
from nucleus.jobs.functions import carry, unpack
from nucleus.jobs.run import run


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def fresh_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A default registry that forgets afterwards what a test put into it."""
    fresh = Registry()
    monkeypatch.setattr(registry_module, "_DEFAULT", fresh)
    yield fresh


def double(value: Any) -> Any:
    return value * 2


def triple(value: Any) -> Any:
    return value * 3


def test_an_unknown_type_is_refused_with_the_known_ones(registry: Registry) -> None:
    registry.register(JobType("Double", double))
    registry.register(JobType("Triple", triple))
    expected = "job_type: Doubel is not known; known are Double, Triple"
    assert registry.check("Doubel", "1") == expected
    with pytest.raises(InvalidArgument, match=expected):
        registry.get("Doubel")
    assert "Doubel" not in registry and "Double" in registry


def test_a_name_that_is_a_megabyte_long_makes_a_short_message(registry: Registry) -> None:
    problem = registry.check("x" * 1_000_000, "1")
    assert problem is not None and len(problem) < 120


def test_a_duplicate_is_refused(registry: Registry) -> None:
    registry.register(JobType("Double", double))
    with pytest.raises(InvalidArgument, match=r"Double is registered already, by .*double"):
        registry.register(JobType("Double", triple))
    assert registry.get("Double").function is double


def test_the_same_cell_run_twice_replaces_its_type(registry: Registry) -> None:
    def cell(schema: type) -> None:
        def collatz(n: int) -> int:
            return n

        registry.register(JobType("Collatz", collatz, schema=schema))

    cell(str)
    assert registry.check("Collatz", "1") is not None
    cell(int)
    assert registry.check("Collatz", "1") is None


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 101, 'quote"', "line\n"])
def test_a_name_that_cannot_be_a_label_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidArgument, match="is not allowed; a name is 1 to 100"):
        registry.register(JobType(name, double))


def test_the_decorator_registers_and_returns_the_function(fresh_default: Registry) -> None:
    @job_type("Half", payload=int, example=4)
    def half(n: int) -> int:
        return n // 2

    assert half(4) == 2
    assert default_registry().get("Half").function is half
    refusal = "payload: 4.0 is not allowed; Half takes a payload of the type int"
    assert fresh_default.check("Half", "4.0") == refusal


def test_a_schema_may_be_anything_that_pydantic_takes(registry: Registry) -> None:
    @dataclass
    class Point:
        x: int
        y: int

    registry.register(JobType("Plot", double, "a list of points", list[Point]))
    assert registry.check("Plot", '[{"x": 1, "y": 2}]') is None
    refusal = 'payload: [{"x": 1}] is not allowed; Plot takes a list of points'
    assert registry.check("Plot", '[{"x": 1}]') == refusal


def test_a_check_that_has_a_bug_refuses_and_says_why(registry: Registry) -> None:
    def buggy(value: int) -> int:
        raise KeyError("oops")

    registry.register(JobType("Odd", double, "odd numbers", Annotated[int, AfterValidator(buggy)]))
    says = "payload: 1 cannot be checked (KeyError('oops')); Odd takes odd numbers"
    assert registry.check("Odd", "1") == says


def test_the_json_schema_says_what_the_check_does() -> None:
    assert default_registry().json_schema("Fibonacci") == {
        "type": "integer",
        "minimum": 0,
        "maximum": 45,
        "description": "Fibonacci takes an integer from 0 to 45",
        "examples": [30],
    }


def test_bounds_know_nothing_of_pydantic_until_they_are_asked() -> None:
    assert Between(0, 45).__get_pydantic_core_schema__(int, lambda _: {"type": "int"}) == {
        "type": "int",
        "ge": 0,
        "le": 45,
    }


def test_a_module_brings_its_job_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_default: Registry
) -> None:
    (tmp_path / "lab_jobs.py").write_text(
        "import nucleus.jobs\n"
        "@nucleus.jobs.job_type('Lab', payload=int)\n"
        "def lab(n): return n + 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    load_modules(["lab_jobs"])
    monkeypatch.delitem(sys.modules, "lab_jobs")
    assert fresh_default.get("Lab").function(1) == 2
    with pytest.raises(InvalidArgument, match="no_such_module cannot be imported: ModuleNot"):
        load_modules(["no_such_module"])


def test_a_function_of_a_notebook_travels_whole(registry: Registry) -> None:
    factor = 3

    def times(value: int) -> int:
        return value * factor

    registry.register(JobType("Times", times))
    assert registry.check("Times", "14") is None
    assert run(unpack(carry(times)), "14").result == "42"


def test_an_attempt_never_raises_whatever_its_job_raises() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def leave(value: Any) -> None:
        raise {"exit": SystemExit(3), "bare": KeyError(), "silent": Silent()}[value]

    assert run(leave, '"exit"').error == "SystemExit: 3"
    assert run(leave, '"bare"').error == "KeyError"
    assert run(leave, '"silent"').error == "Silent: its text cannot be shown"
    traceback = run(leave, '"exit"').traceback
    assert "in leave" in traceback and "run.py" not in traceback
    assert run(leave, "nonsense").error == (
        "payload: nonsense is not JSON: Expecting value at character 0"
    )


def test_a_child_starts_without_grpc_and_pydantic() -> None:
    code = (
        "import sys, nucleus.jobs.child\n"
        "print(sorted({'grpc', 'pydantic', 'cloudpickle', 'flask'} & set(sys.modules)))"
    )
    run_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run_.stdout == "[]\n", run_.stderr
