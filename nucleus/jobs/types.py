"""The job types that Nucleus ships, written the way you would write yours.

Each is there for what it does to a worker: use its processor, hold its interpreter lock,
wait, do nothing, fail, or die.
"""

import math
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from nucleus.jobs.registry import Between, job_type


@job_type(
    "Fibonacci",
    payload=Annotated[int, Between(0, 45)],
    allowed="an integer from 0 to 45",
    example=30,
)
def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number by its definition, which is slow on purpose.

    Each step of n costs 1.6 times as much as the one before: n is a dial for work.
    """
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@job_type(
    "FastFibonacci",
    payload=Annotated[int, Between(0, 50_000_000)],
    allowed="an integer from 0 to 50,000,000",
    example=1_000_000,
)
def fast_fibonacci(n: int) -> dict[str, int]:
    """Return how many digits the n-th Fibonacci number has, and its last nine as a number.

    One product of two huge integers is one operation of the interpreter, which holds the
    lock all the while: every other thread of the process stands still.
    """
    number = double_up(n)
    return {"digits": count_digits(number), "mod_1e9": number % 1_000_000_000}


def double_up(n: int) -> int:
    """Return the n-th Fibonacci number by fast doubling, one step for each bit of ``n``."""
    a, b = 0, 1  # F(k) and F(k + 1), where k is the bits of n read so far
    for bit in f"{n:b}":
        a, b = a * (2 * b - a), a * a + b * b
        if bit == "1":
            a, b = b, a + b
    return a


def count_digits(number: int) -> int:
    """Return how many decimal digits ``number`` (not negative) has, without writing it out.

    ``str`` would take minutes for ten million digits. A logarithm is good to about 1e-8
    at that size; where that is too close to a power of ten to tell, compare exactly.
    """
    if number == 0:
        return 1
    logarithm = math.log10(number)
    nearest = round(logarithm)
    if abs(logarithm - nearest) > 1e-6:
        return math.floor(logarithm) + 1
    return nearest + 1 if number >= 10**nearest else nearest


@job_type(
    "Sleep",
    payload=Annotated[float, Between(0, 3600)],
    allowed="a number of seconds from 0 to 3600",
    example=0.5,
)
def sleep(seconds: float) -> float:
    """Wait that many seconds, without using the processor, and return them."""
    time.sleep(seconds)
    return seconds


@job_type("Echo", example={"hello": "world"})
def echo(value: Any) -> Any:
    """Return the payload: no work at all, which measures the queue itself."""
    return value


@dataclass(frozen=True, slots=True)
class FlakyPayload:
    """What Flaky takes."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    p: Annotated[float, Between(0, 1)]  # how probable a failure is


@job_type(
    "Flaky",
    payload=FlakyPayload,
    allowed='an object {"p": a number from 0 to 1}',
    example={"p": 0.3},
)
def flaky(payload: dict[str, float]) -> str:
    """Fail with the probability ``p``, or else return ``"lucky"``."""
    if random.random() < payload["p"]:
        raise RuntimeError("bad luck")
    return "lucky"


@job_type("Poison", payload=None, allowed="null", kills_process=True)
def poison(_: None) -> None:
    """Kill the process that runs this, the way the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
