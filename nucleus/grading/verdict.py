"""The verdict: what a student sees, and what a grader counts.

In a notebook it is a page (``nucleus.grading.page``); in a terminal, and to whoever cannot see
the picture, the same in words.
"""

import linecache
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nucleus.core.refusals import one_line
from nucleus.grading.judge import Outcome, Report
from nucleus.grading.lab import Lab, Part, Place
from nucleus.grading.witness import NOT_WRITTEN, PROMISES

WIDTH = 100  # columns
SIGNS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.UNKNOWN: "?"}


@dataclass(frozen=True, slots=True, repr=False)
class PartVerdict:
    """What became of one part."""

    lab: Lab
    part: Part
    report: Report
    hints: tuple[str, ...] = field(default=(), compare=False)  # they grow; the verdict does not
    file: str = field(
        default="", compare=False
    )  # that was checked, "": something that a notebook knows by its name

    @property
    def outcome(self) -> Outcome:
        """Pass, fail or unknown."""
        return self.report.outcome

    @property
    def could_be_helped(self) -> bool:
        """Whether hints of the lab are of use: it failed, and for a reason of the lab's own."""
        finding = self.report.finding
        return finding is not None and finding.name not in PROMISES

    @property
    def points(self) -> int:
        """All of them, or none."""
        return self.part.points if self.outcome is Outcome.PASS else 0

    @property
    def headline(self) -> str:
        """Name, title, outcome and points, on one line."""
        part = self.part
        return (
            f"{SIGNS[self.outcome]} Part {part.name}, {part.title}: {self.outcome.value},"
            f" {self.points} of {part.points} points"
        )

    @property
    def explanation(self) -> list[str]:
        """Sentences that say why."""
        report, finding = self.report, self.report.finding
        if self.outcome is Outcome.PASS:
            return [f"{self.part.promise} So it was in all of {report.played} schedules."]
        if self.outcome is Outcome.UNKNOWN and finding is not None:
            return [f"Nobody can tell: {finding.what} Run it again."]
        if finding is None:
            never = "; ".join(report.unseen)
            return [
                f"Nobody can tell: in {report.played} schedules it never happened that {never}.",
                "Nothing was broken, but nothing was put to the test either. Run more schedules.",
            ]
        if finding.name == NOT_WRITTEN:
            return [finding.what]
        broken = f"Broken promise ({finding.name}): {finding.promise}"
        end = "" if finding.what.endswith((".", "?")) else "."
        return [broken, f"{self._when}{finding.what}{end}"]

    @property
    def _when(self) -> str:
        finding, story = self.report.finding, self.report.story
        if finding is None or finding.at is None or story is None:
            return ""
        return f"At {finding.at - story.start:.3f} s: "

    @property
    def trace(self) -> list[str]:
        """The student's own lines that it came from, the innermost last."""
        finding = self.report.finding
        return [_words(place) for place in finding.trace] if finding is not None else []

    @property
    def replay(self) -> str:
        """How to run the failing schedule again, "" when there is none."""
        if not self.report.size:
            return ""
        thing = f'"{self.file}", lab="{self.lab.name}"' if self.file else self.lab.entry
        return f'check({thing}, part="{self.part.name}", seed={self.report.seed}, schedules=1)'

    @property
    def scale(self) -> str:
        """Which schedule failed, and how little of it was needed, in words."""
        report = self.report
        if not report.size:
            return ""
        enough = "one is enough" if report.kept == 1 else f"{report.kept} are enough"
        if report.kept == report.size > 1:
            enough = "all are needed"
        return (
            f"This is schedule {report.seed}. Of the {report.size} things that are planned in it,"
            f" {enough} to break the promise; here is what came of that."
        )

    @property
    def hints_so_far(self) -> str:
        """How many of the hints there are by now, and how one comes by the others."""
        some, most = len(self.hints), len(self.part.hints)
        words = f"{some} of {most} hints"
        return words if some >= most else f"{words}: the next version that fails earns another"

    def text(self) -> Iterator[str]:
        """The verdict on this part, line by line."""
        yield self.headline
        for sentence in self.explanation:
            yield from _wrapped(sentence)
        yield from (f"    {line}" for line in self.trace)
        if self.report.story is not None:
            yield from _wrapped(self.scale)
            yield from (f"  {line}" for line in self.report.story.text(WIDTH - 2).splitlines())
        if self.replay:
            yield f"  Again: {self.replay}"
        yield from (f"  Hint: {hint}" for hint in self.hints)


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What became of a student's code; equal for the same code and the same seed."""

    lab: Lab
    parts: dict[str, PartVerdict]  # by name
    printed: str = ""  # the first of what the code printed

    @property
    def passed(self) -> bool:
        """Whether every part passed."""
        return all(part.outcome is Outcome.PASS for part in self.parts.values())

    @property
    def points(self) -> int:
        """Of the parts that were judged."""
        return sum(part.points for part in self.parts.values())

    @property
    def max_points(self) -> int:
        """That could have been had."""
        return sum(part.part.points for part in self.parts.values())

    @property
    def headline(self) -> str:
        """The lab, the parts unless it is all of them, and the points, on one line."""
        names = ", ".join(self.parts) if len(self.parts) < len(self.lab.parts) else ""
        parts = f" (part {names})" if names else ""
        points = f"{self.points} of {self.max_points} points"
        return f"Lab {self.lab.name}, {self.lab.title}{parts}: {points}"

    def text(self) -> str:
        """The verdict in words, with diagrams for a terminal."""
        parts = ["\n".join(part.text()) for part in self.parts.values()]
        printed = [f"It printed:\n{textwrap.indent(self.printed, '  ')}"] if self.printed else []
        return "\n\n".join([self.headline, *parts, *printed])

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from nucleus.grading.page import page

        return page(self)


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _words(place: Place) -> str:
    file = "this notebook" if "ipykernel" in place.file else Path(place.file).name
    line = one_line(linecache.getline(place.file, place.line).strip(), 120)
    return f"{file}, line {place.line}, in {one_line(place.function)}: {line}".removesuffix(": ")
