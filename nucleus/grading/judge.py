"""Judging: many schedules of each part, one that fails, and how little of it is needed.

The first that fails decides. What is told is the shortest story of the same breach that is found
in it and the next few: the first schedule may be one in which all goes wrong at once.

The same code and the same seed give the same reports, on any machine: schedules run on a
simulated clock, each with a fresh copy of the code, and nothing is measured in real time.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nucleus.core.facts import fact
from nucleus.grading.code import Code
from nucleus.grading.lab import Finding, Lab, Part, Play
from nucleus.grading.witness import (
    NOT_THE_SAME,
    NOT_WRITTEN,
    PROMISES,
    REAL_CLOCK,
    Witness,
    expected,
    no_real_clock,
)
from nucleus.history.diagram import Diagram
from nucleus.history.shrink import ddmin

TWICE = 2  # schedules that are played twice, to see whether the answers are the same
TRIES = 120  # plays that shrinking may cost
NEARBY = 5  # more schedules, in which a shorter story is looked for
SHORT = 12  # arrows and marks of a story that need not be shorter
WHENEVER = (NOT_WRITTEN, NOT_THE_SAME, REAL_CLOCK)  # they tell nothing of a schedule


class Outcome(Enum):
    """What became of a part."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"  # what the part is about never happened


@fact
class Report:
    """What the judge says of a part."""

    part: str
    outcome: Outcome
    played: int  # schedules
    finding: Finding | None = None
    seed: int = 0  # of the schedule that is told of
    size: int = 0  # entries of its plan
    kept: int = 0  # of them, as many as it takes
    unseen: tuple[str, ...] = ()  # what never happened, in words
    story: Diagram | None = None


@dataclass(slots=True)
class _Watching:
    """Whose findings count at the moment."""

    witness: Witness


class Judge:
    """Judges one student's code; ``alarm`` is that of a :class:`Witness`."""

    def __init__(
        self, lab: Lab, code: Code, alarm: Callable[[float], object] = lambda seconds: None
    ) -> None:
        self._lab, self._code, self._alarm = lab, code, alarm
        self._watching = _Watching(Witness(lab.entry))

    def reports(
        self, parts: Collection[str] | None, schedules: int | None, seed: int
    ) -> Iterator[Report]:
        """Judge these parts, or all, with ``schedules`` of each, from number ``seed`` on."""
        with no_real_clock(lambda: self._watching.witness):
            for part in self._lab.parts:
                if parts is None or part.name in parts:
                    count = part.schedules if schedules is None else schedules
                    yield self._judge(part, range(seed, seed + count))

    def _judge(self, part: Part, seeds: range) -> Report:
        seen: Counter[str] = Counter()
        for played, seed in enumerate(seeds, 1):
            play = self._twice(part, seed) if played <= TWICE else self._play(part, seed)[0]
            if play.findings:
                return self._failed(part, seeds[played - 1 :], played, play.findings[0])
            seen += play.seen
        unseen = tuple(words for name, words in part.needs.items() if not seen[name])
        outcome = Outcome.UNKNOWN if unseen else Outcome.PASS
        return Report(part.name, outcome, len(seeds), unseen=unseen)

    # ---- one schedule -----------------------------------------------------------------

    def _play(
        self, part: Part, seed: int, kept: Collection[int] | None = None, luck: int = 0
    ) -> tuple[Play, list[str]]:
        """Play it; return what it came to, and the answers that the code gave."""
        random.seed(luck)  # theirs, if they use it; ours have generators of their own
        witness = self._watching.witness = Witness(self._lab.entry, self._alarm)
        thing = witness.make(self._code.make)
        if witness.findings:
            return Play(tuple(witness.findings)), []
        return part.play(thing, witness, seed, kept), witness.answers

    def _twice(self, part: Part, seed: int) -> Play:
        play, answers = self._play(part, seed)
        again, others = self._play(part, seed, luck=1)
        names = {finding.name for finding in (*play.findings, *again.findings)}
        if answers == others or names & {NOT_WRITTEN, REAL_CLOCK}:  # they explain it better
            return play
        pairs = zip(answers, others, strict=False)
        differ = next((pair for pair in pairs if pair[0] != pair[1]), None)
        what = f"In the same run of the same schedule, {self._lab.entry} answered otherwise"
        if differ is not None:
            what += f": {differ[0]} the first time, {differ[1]} the second"
        finding = expected(NOT_THE_SAME, f"{what}. Does it use chance, or an order by memory?")
        return Play((finding,), play.seen)

    # ---- one that failed --------------------------------------------------------------

    def _failed(self, part: Part, seeds: range, played: int, finding: Finding) -> Report:
        """The report on the first of ``seeds``, or on one soon after it with a shorter story."""
        if finding.name in WHENEVER:
            return Report(part.name, Outcome.FAIL, played, finding, seeds[0])
        told = self._told(part, seeds[0], played, finding.name)
        if finding.name in PROMISES:  # the student's own line tells it, not the story
            return told
        for seed in seeds[1 : NEARBY + 1]:
            if _length(told) <= SHORT:
                break
            if self._fails(part, seed, None, finding.name):
                told = min(told, self._told(part, seed, played, finding.name), key=_length)
        return told

    def _told(self, part: Part, seed: int, played: int, name: str) -> Report:
        """What it takes of the schedule ``seed`` for the finding ``name``, with its story."""
        size = part.size(seed)
        kept = list(range(size))
        if size:
            kept = _smallest(kept, lambda some: self._fails(part, seed, some, name))
        play = self._play(part, seed, kept if size else None)[0]
        finding = next((f for f in play.findings if f.name == name), play.findings[0])
        return Report(
            part.name, Outcome.FAIL, played, finding, seed, size, len(kept), story=play.tell()
        )

    def _fails(self, part: Part, seed: int, kept: list[int] | None, name: str) -> bool:
        findings = self._play(part, seed, kept)[0].findings
        return bool(findings) and findings[0].name == name


def _length(report: Report) -> int:
    """How much there is to see in its story."""
    story = report.story
    return 0 if story is None else len(story.arrows) + len(story.marks)


def _smallest(items: list[int], fails: Callable[[list[int]], bool]) -> list[int]:
    """As few of ``items`` as are found to fail within :data:`TRIES`."""
    left = TRIES

    def within_reason(some: list[int]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and fails(some)

    return ddmin(items, within_reason)


def judge(
    lab: Lab,
    code: Code,
    parts: Iterable[str] | None = None,
    schedules: int | None = None,
    seed: int = 0,
) -> list[Report]:
    """Judge ``code`` in this process: only for code that is known to behave."""
    chosen: Any = None if parts is None else frozenset(parts)
    return list(Judge(lab, code).reports(chosen, schedules, seed))
