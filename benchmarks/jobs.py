"""The jobs that every queue runs, as plain functions."""

import os
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from nucleus.jobs.types import fibonacci


class Job(StrEnum):
    """Their names."""

    ECHO = "Echo"
    FIBONACCI = "Fibonacci"  # by its definition: work for a processor
    GATE = "Gate"


def echo(payload: Any) -> Any:
    """Return the payload: no work at all."""
    return payload


def gate(path: str) -> bool:
    """Keep a worker busy until the file ``path`` is there; leave a file that says so."""
    Path(f"{path}.{os.getpid()}").touch()
    while not Path(path).exists():
        time.sleep(0.002)
    return True


def nothing(payload: Any) -> None:
    """Do nothing, and leave no result."""


FUNCTIONS: dict[Job, Callable[[Any], Any]] = {
    Job.ECHO: echo,
    Job.FIBONACCI: fibonacci,
    Job.GATE: gate,
}
