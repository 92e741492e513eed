"""Grading a class: every submission by itself, several at a time, a mark for each.

Each is judged in a process of its own, with its own limits and folder (``isolation``), so that
one that crashes, hangs or floods costs nobody else a point. The pages are drawn here, one after
the other, as the marks come in.
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from nucleus.core.refusals import one_line
from nucleus.grading.checking import verdict_on
from nucleus.grading.code import Code
from nucleus.grading.feedback import feedback
from nucleus.grading.judge import Outcome
from nucleus.grading.submissions import Submission
from nucleus.grading.unusual import unusual
from nucleus.grading.verdict import PartVerdict, Verdict

_FORMULA = ("=", "+", "-", "@")  # a spreadsheet would compute a cell that begins so


@dataclass(frozen=True, slots=True)
class Mark:
    """What one student gets for one lab."""

    submission: Submission
    verdict: Verdict | None = None
    trouble: str = ""  # why there is no verdict

    @property
    def points(self) -> int:
        """Of all parts; 0 for what could not be judged."""
        return self.verdict.points if self.verdict else 0

    @property
    def max_points(self) -> int:
        """That could have been had."""
        lab = self.submission.lab
        return lab.points if lab else 0

    @property
    def note(self) -> str:
        """Why it is not all of them, on one line."""
        if self.verdict is None:
            return self.trouble
        return "; ".join(f"{part.part.name}: {why(part)}" for part in _lost(self.verdict))

    @property
    def unusual(self) -> str:
        """What somebody should look at before the points are believed; "" when there are none."""
        return one_line(", ".join(unusual(self.submission.code)), 200) if self.points else ""


def why(part: PartVerdict) -> str:
    """The name of what was found, or ``unknown``."""
    finding = part.report.finding
    return one_line(finding.name, 60) if finding is not None else part.outcome.value


def _lost(verdict: Verdict) -> Iterator[PartVerdict]:
    return (part for part in verdict.parts.values() if part.outcome is not Outcome.PASS)


def cores() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def grade(
    submissions: Sequence[Submission],
    to: Path,
    tell: Callable[[Mark], object] = lambda mark: None,
    *,
    jobs: int = 0,
    schedules: int | None = None,
    seed: int = 0,
) -> list[Mark]:
    """Judge all of them, ``jobs`` at a time (0: one for each processor).

    ``to/students/NAME/LAB.html`` is what a student is told, and ``LAB.py`` beside it the code
    that was judged; ``to/marks.csv`` has a line for each. ``tell`` is called with each mark as it
    comes. Interrupted, it ends what it started, and writes no marks.
    """

    def judge(submission: Submission, stop: Event) -> Mark:
        return _judge(submission, to, schedules, seed, stop)

    marks: dict[int, Mark] = {}
    with _stopping(jobs or cores()) as (pool, stop):
        futures = {pool.submit(judge, each, stop): n for n, each in enumerate(submissions)}
        for future in as_completed(futures):
            mark = marks[futures[future]] = future.result()
            _write_page(mark, to)
            tell(mark)
    in_order = [marks[number] for number in sorted(marks)]
    write_marks(in_order, to / "marks.csv")
    return in_order


@contextmanager
def _stopping(jobs: int) -> Iterator[tuple[ThreadPoolExecutor, Event]]:
    """Threads that each wait for a process; however it ends, no process is left."""
    stop = Event()
    pool = ThreadPoolExecutor(jobs, "grading")
    try:
        yield pool, stop
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _judge(submission: Submission, to: Path, schedules: int | None, seed: int, stop: Event) -> Mark:
    lab = submission.lab
    if lab is None or submission.trouble:
        return Mark(submission, trouble=submission.trouble)
    try:
        file = _folder_of(submission, to) / f"{lab.name}.py"
        file.write_text(submission.code, "utf-8")
        code = Code.of_file(file, lab.entry)
        return Mark(submission, verdict_on(lab, code, lab.parts, schedules, seed, stop))
    except Exception as error:  # whatever is the matter with this one, the others go on
        return Mark(submission, trouble=f"could not be judged: {one_line(str(error), 200)}")


def _folder_of(submission: Submission, to: Path) -> Path:
    folder = to / "students" / submission.student
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_page(mark: Mark, to: Path) -> None:
    submission, lab = mark.submission, mark.submission.lab
    name, title = (lab.name, lab.title) if lab else ("not-graded", "Not graded")
    page = feedback(mark.verdict, f"{title}: {submission.student}", mark.trouble, submission.code)
    (_folder_of(submission, to) / f"{name}.html").write_text(page, "utf-8", "replace")


# ---- the marks ------------------------------------------------------------------------


def write_marks(marks: Iterable[Mark], file: Path) -> None:
    """Write the points of each part as CSV, in UTF-8."""
    rows = [_row(mark) for mark in marks]
    parts = sorted({name for row in rows for name in row} - set(_COLUMNS))
    with open(file, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [*_COLUMNS[:-2], *parts, *_COLUMNS[-2:]], restval="")
        writer.writeheader()
        writer.writerows(rows)


_COLUMNS = ("student", "lab", "points", "of", "unusual", "note")


def _row(mark: Mark) -> dict[str, Any]:
    submission = mark.submission
    parts = submission.lab.parts if submission.lab else ()
    judged = mark.verdict.parts if mark.verdict else {}
    return {
        "student": _plain(submission.student),
        "lab": submission.lab.name if submission.lab else "",
        "points": mark.points,
        "of": mark.max_points,
        "unusual": _plain(mark.unusual),
        "note": _plain(mark.note),
        **{part.name: judged[part.name].points if judged else 0 for part in parts},
    }


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
