"""Right solutions pass however often they are graded, on a machine with other work to do.

As a student is graded: all schedules, in the real child and its cage, while a process on each
processor does nothing but turn.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from nucleus.grading.checking import verdict_on
from nucleus.grading.classroom import cores
from nucleus.grading.lab import Lab
from nucleus.grading.labs import LABS
from nucleus.grading.verdict import Verdict
from tests.labs_support import Solution, solutions

FEW = 10  # schedules of the small version
BURN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"
labs = pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))


@pytest.fixture
def busy() -> Iterator[None]:
    """Every processor has something else to do."""
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(cores())]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


@labs
@pytest.mark.long
@pytest.mark.usefixtures("busy")
def test_every_right_solution_passes_on_a_busy_machine(lab: Lab) -> None:
    _grade(lab, 1, FEW)


@labs
@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("busy")
def test_two_hundred_gradings_pass_on_a_busy_machine(lab: Lab) -> None:
    right = len([solution for solution in solutions("right") if solution.lab is lab])
    _grade(lab, -(-200 // right), None)


def _grade(lab: Lab, times: int, schedules: int | None) -> None:
    """Grade each right solution so often, each time with other schedules."""
    most = max(part.schedules for part in lab.parts) if schedules is None else schedules
    right = [solution for solution in solutions("right") if solution.lab is lab]
    asked = list(product(right, range(0, times * most, most)))

    def judge(solution: Solution, seed: int) -> Verdict:
        return verdict_on(lab, solution.code, lab.parts, schedules, seed)

    began, used = time.monotonic(), _used()
    with ThreadPoolExecutor(cores()) as pool:
        for verdict in pool.map(judge, *zip(*asked, strict=True)):
            assert all(part.report.finding is None for part in verdict.parts.values()), verdict
            assert verdict.passed or schedules is not None, verdict  # few can be too few to tell
    took, cost = time.monotonic() - began, (_used() - used) / len(asked)
    print(f"\n{lab.name:20} {len(asked):4} gradings in {took:6.1f} s; {cost:5.1f} s of CPU each")


def _used() -> float:
    """Seconds of the processor of the children that have ended."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
