"""Code that reaches for the grader itself, and not for the answer, gets no points."""

import pytest

from nucleus.grading.code import Code
from nucleus.grading.judge import Outcome, judge
from nucleus.grading.labs import LABS

EVIL = """
class Evil:
    def __eq__(self, other):
        raise ValueError("no")


def next_job(waiting):
    return type(waiting[0])(Evil(), 0, 0, False)
"""
RENUMBERED = """
def next_job(waiting):
    object.__setattr__(waiting[0], "number", -5)
    return waiting[0]
"""
EVIL_FIELD = """
class Evil:
    def __repr__(self):
        raise ValueError("no")


def accept(job, report):
    object.__setattr__(job, "status", Evil())
"""
SUBMITTED = """
def first_jobs(client, numbers):
    client.submitted = numbers
    client.tape = client.handles = client.early = None
    return [int(number ** 0.5) for number in numbers]
"""
AWAITED = """
def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    for handle in handles:
        handle.awaited = True
    return [int(number ** 0.5) for number in numbers]
"""
DEAD = """
class Log:
    def __init__(self, disk):
        self.disk = disk

    def append(self, entry):
        self.disk.dead = True

    def entries(self):
        return []
"""
RECOVERED = """
def recover(lost, waiting):
    for number, job in enumerate(lost):
        object.__setattr__(job, "number", number)
    return lost + waiting
"""


@pytest.mark.parametrize(
    ("lab", "part", "source", "name"),
    [
        ("01-first-job", "B", SUBMITTED, "one-job-each"),
        ("01-first-job", "D", AWAITED, "every-handle-is-awaited"),
        ("02-queue", "A", EVIL, "wrong-answer"),
        ("02-queue", "B", EVIL, "wrong-answer"),
        ("02-queue", "A", RENUMBERED, "wrong-answer"),
        ("04-requeue", "A", RECOVERED, "nothing-is-invented"),
        ("05-fencing", "A", EVIL_FIELD, "wrong-answer"),
        ("09-durability", "A", DEAD, "what-is-written-is-read"),
    ],
)
def test_code_that_changes_what_it_is_given_fails_all_the_same(
    lab: str, part: str, source: str, name: str
) -> None:
    (report,) = judge(LABS[lab], Code(LABS[lab].entry, source.encode(), "a.py"), [part], 5)
    assert report.outcome is Outcome.FAIL
    assert report.finding is not None
    assert report.finding.name == name
