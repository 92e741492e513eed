"""Each shipped job type: what it answers, and what it refuses."""

import json
import math
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleus.jobs import default_registry
from nucleus.jobs.run import Outcome, run
from nucleus.jobs.types import count_digits

REGISTRY = default_registry()


def outcome(job_type: str, payload: str) -> Outcome:
    assert REGISTRY.check(job_type, payload) is None
    return run(REGISTRY.get(job_type).function, payload)


def result(job_type: str, payload: str) -> object:
    ended = outcome(job_type, payload)
    assert ended.error is None and ended.result is not None
    return json.loads(ended.result)


def fibonacci_check(n: int) -> int:
    """Fibonacci a second way: by adding up."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


KINDS = {
    "null": "null",
    "true": "true",
    "string": '"30"',
    "integer": "7",
    "float": "0.5",
    "whole float": "30.0",
    "exponent": "1e1",
    "negative": "-1",
    "zero": "0",
    "large": "50000001",
    "huge": "9" * 400,
    "list": "[30]",
    "object": '{"n": 30}',
    "probability": '{"p": 0.3}',
    "p too large": '{"p": 1.5}',
    "p as text": '{"p": "0.3"}',
    "p and more": '{"p": 0.3, "q": 1}',
    "empty object": "{}",
}

TAKES = {
    "Fibonacci": {"integer", "zero"},
    "FastFibonacci": {"integer", "zero"},
    "Sleep": {"integer", "zero", "float", "whole float", "exponent"},
    "Echo": set(KINDS),
    "Flaky": {"probability"},
    "Poison": {"null"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("job_type", TAKES)
def test_a_type_takes_the_payloads_it_says_and_no_others(job_type: str, kind: str) -> None:
    problem = REGISTRY.check(job_type, KINDS[kind])
    if kind in TAKES[job_type]:
        assert problem is None
    else:
        assert problem is not None
        assert problem.startswith("payload: ")
        assert f" is not allowed; {job_type} takes " in problem
        assert len(problem) < 160


def test_a_refusal_names_field_value_and_what_is_allowed() -> None:
    assert (
        REGISTRY.check("Fibonacci", "-1")
        == "payload: -1 is not allowed; Fibonacci takes an integer from 0 to 45"
    )
    assert REGISTRY.check("Fibonacci", "46") is not None
    assert REGISTRY.check("Fibonacci", "45") is None
    assert REGISTRY.check("FastFibonacci", "50000000") is None
    assert REGISTRY.check("Sleep", "3600") is None
    assert REGISTRY.check("Sleep", "3600.1") is not None
    assert REGISTRY.check("Flaky", '{"p": 1}') is None


def test_a_body_of_ten_megabytes_makes_a_short_message() -> None:
    problem = REGISTRY.check("Fibonacci", '"' + "x" * 10_000_000 + '"')
    assert problem is not None and len(problem) < 200


def test_the_shipped_types_are_all_tested_here() -> None:
    assert set(REGISTRY.names()) >= set(TAKES)
    for name in TAKES:
        assert REGISTRY.check(name, json.dumps(REGISTRY.get(name).example)) is None


@pytest.mark.parametrize("n", range(21))
def test_fibonacci_follows_its_definition(n: int) -> None:
    assert result("Fibonacci", str(n)) == fibonacci_check(n)


@given(st.integers(0, 3_000))
def test_fast_fibonacci_agrees_with_adding_up(n: int) -> None:
    number = fibonacci_check(n)
    expected = {"digits": len(str(number)), "mod_1e9": number % 10**9}
    assert result("FastFibonacci", str(n)) == expected


def test_fast_fibonacci_goes_beyond_what_python_writes_out() -> None:
    digits = math.floor(1_000_000 * math.log10((1 + 5**0.5) / 2) - math.log10(5**0.5)) + 1
    assert result("FastFibonacci", "1000000") == {"digits": digits, "mod_1e9": 242546875}


@pytest.mark.parametrize("exponent", [0, 1, 2, 15, 16, 22, 23, 300, 400, 4_000, 100_000])
def test_digits_are_exact_around_powers_of_ten(exponent: int) -> None:
    power = 10**exponent
    assert count_digits(power - 1) == max(1, exponent)
    assert count_digits(power) == exponent + 1
    assert count_digits(power + 1) == exponent + 1


def test_sleep_waits_and_returns_the_seconds() -> None:
    before = time.monotonic()
    assert result("Sleep", "0.05") == 0.05
    assert time.monotonic() - before >= 0.05


@pytest.mark.parametrize("payload", ["null", "0", '"å"', '[1, {"a": null}]'])
def test_echo_returns_its_payload(payload: str) -> None:
    assert outcome("Echo", payload).result == payload


def test_flaky_fails_as_often_as_it_was_told() -> None:
    assert result("Flaky", '{"p": 0}') == "lucky"
    assert outcome("Flaky", '{"p": 1}').error == "RuntimeError: bad luck"
    errors = [outcome("Flaky", '{"p": 0.5}').error for _ in range(200)]
    assert 0 < sum(error is not None for error in errors) < 200


def test_poison_kills_the_process_that_runs_it() -> None:
    assert REGISTRY.get("Poison").kills_process
    code = "from nucleus.jobs.types import poison; poison(None)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
