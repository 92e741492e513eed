"""The judge: how parts are played, what is said of them, and that it is always the same."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest

from nucleus.grading.code import Code
from nucleus.grading.judge import SHORT, TRIES, Outcome, Report, judge
from nucleus.grading.lab import Finding, Lab, Part, Play
from nucleus.grading.labs import LABS
from nucleus.grading.witness import Witness
from nucleus.history.codec import decode, encode
from nucleus.history.diagram import Diagram, Mark

BROKEN = Finding("too-small", "Answers are large.", "It was small.")
CULPRITS = {3, 7}  # entries of the plan that it takes for a play to fail


def play(thing: Any, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
    """Ask for the double of the seed; wrong when it is not, and both culprits are there."""
    answer = witness.ask(thing, seed)
    present = kept is None or set(kept) >= CULPRITS
    wrong = answer != 2 * seed and present and not witness.findings
    findings = (*witness.findings, *([BROKEN] if wrong else []))
    return Play(findings, Counter({"odd": seed % 2}))


def report_on(source: str, schedules: int = 10, seed: int = 0, **part: Any) -> Report:
    """What the judge says of a function ``double``."""
    given = {"play": play, "size": lambda seed: 10, **part}
    lab = Lab("00-double", "Double", "double", (Part("A", "All", 1, "It doubles.", **given),))
    (report,) = judge(lab, Code("double", source.encode(), "double.py"), None, schedules, seed)
    return report


RIGHT = "double = lambda n: n + n"


def test_code_that_keeps_the_promise_passes() -> None:
    assert report_on(RIGHT) == Report("A", Outcome.PASS, 10)


def test_the_first_schedule_that_fails_is_shrunk_to_the_entries_that_it_takes() -> None:
    report = report_on("double = lambda n: min(2 * n, 8)")
    assert report == Report("A", Outcome.FAIL, 6, BROKEN, seed=5, size=10, kept=2)


def test_of_the_first_that_fail_alike_the_one_with_the_shortest_story_is_told() -> None:
    lengths = {0: SHORT + 9, 1: SHORT + 5, 2: SHORT + 2, 3: 1, 4: SHORT + 3}

    def told(thing: Any, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
        marks = tuple(Mark(float(n), "master", "x") for n in range(lengths[seed]))
        name = "another" if seed == 3 else BROKEN.name
        return Play((replace(BROKEN, name=name),), tell=lambda: Diagram(("master",), (), marks))

    report = report_on(RIGHT, len(lengths), play=told, size=lambda seed: 1)
    assert (report.seed, report.played, report.finding) == (2, 1, BROKEN)


def test_shrinking_gives_up_after_so_many_tries() -> None:
    plays = 0

    def counted(*arguments: Any) -> Play:
        nonlocal plays
        plays += 1
        kept = arguments[-1]
        return Play((BROKEN,) if kept is None or len(kept) == 1000 else ())  # it takes them all

    report = report_on("double = lambda n: 1", play=counted, size=lambda seed: 1000)
    assert (report.outcome, report.kept) == (Outcome.FAIL, 1000)
    assert plays == TRIES + 3  # two to see whether it answers alike, one to tell of


def test_it_is_unknown_when_what_the_part_is_about_never_happened() -> None:
    needs = {"odd": "a seed was odd"}
    assert report_on(RIGHT, 2, needs=needs).outcome is Outcome.PASS
    report = report_on(RIGHT, 1, needs=needs)
    assert report == Report("A", Outcome.UNKNOWN, 1, unseen=("a seed was odd",))


def test_a_failing_schedule_can_be_played_alone() -> None:
    wrong = "double = lambda n: min(2 * n, 8)"
    found = report_on(wrong)
    again = report_on(wrong, schedules=1, seed=found.seed)
    assert (again.finding, again.kept) == (found.finding, found.kept)


def test_nothing_is_left_over_from_one_schedule_to_the_next() -> None:
    source = "calls = []\ndef double(n):\n    calls.append(n)\n    return n + n * len(calls)"
    assert report_on(source).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("body", "name", "words"),
    [
        ("raise NotImplementedError", "not-written-yet", "double is not written yet"),
        ("return 1 / 0", "raised", "double(0) raised ZeroDivisionError: division by zero"),
        ("raise SystemExit", "raised", "double(0) raised SystemExit"),
        ("raise KeyboardInterrupt", "raised", "double(0) raised KeyboardInterrupt"),
        ("return double(n)", "raised", "double(0) raised RecursionError"),
        ("raise KeyError(object())", "raised", "raised KeyError: <object object>"),
        ("return Silent()", "raised", "double(0) raised ValueError: no"),
        ("import random; return random.random()", "not-the-same-twice", "answered otherwise"),
        ("import time; return time.time()", "real-clock", "double called time.time"),
        ("import time; time.sleep(9); return n * 2", "real-clock", "double called time.sleep"),
    ],
)
def test_what_no_solution_does_is_named_and_shown_in_the_students_own_lines(
    body: str, name: str, words: str
) -> None:
    silent = "class Silent:\n    def __repr__(self):\n        raise ValueError('no')\n"
    report = report_on(f"{silent}def double(n):\n    {body}\n")
    assert report.outcome is Outcome.FAIL
    assert report.finding is not None
    assert report.finding.name == name
    assert words in report.finding.what
    assert {place.file for place in report.finding.trace} <= {"double.py"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("raise OSError('no')", "raised"),
        ("def double(n) return n", "raised"),
        ("dobule = lambda n: 2 * n", "not-written-yet"),
        ("", "not-written-yet"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_finding(source: str, name: str) -> None:
    finding = report_on(source).finding
    assert finding is not None
    assert finding.name == name


def test_a_report_survives_the_way_from_another_process() -> None:
    code = Code("accept", b"accept = lambda job, report: True", "a.py")
    (report,) = judge(LABS["05-fencing"], code, ["B"])
    assert report.story is not None
    assert decode(encode(report), {"Report": Report}) == report


SCHEDULES: list[Callable[[], list[Report]]] = [
    lambda: judge(LABS["02-queue"], Code("next_job", b"next_job = max", "a.py"), ["A", "D"], 3),
    lambda: judge(
        LABS["02-queue"],
        Code("next_job", b"next_job = lambda w: min(w, key=lambda j: j.since)", "a.py"),
        ["D"],
        20,
    ),
]


@pytest.mark.parametrize("judged", SCHEDULES)
def test_the_same_code_and_seed_give_the_same_reports(judged: Callable[[], list[Report]]) -> None:
    assert judged() == judged()
