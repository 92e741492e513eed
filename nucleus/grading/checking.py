"""What a student calls, :func:`check`; what graders call, :func:`verdict_on`, :func:`require`."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event

from nucleus.core.refusals import shorten
from nucleus.grading.code import Code
from nucleus.grading.errors import CannotCheck, NotPassed
from nucleus.grading.isolation import Judgement, judge_apart
from nucleus.grading.judge import Outcome, Report
from nucleus.grading.lab import Lab, Part, Thing
from nucleus.grading.labs import LABS, lab_of
from nucleus.grading.verdict import PartVerdict, Verdict
from nucleus.grading.witness import DIED, NO_TIME, expected

MOST = 10_000  # schedules
_SILENT = expected(DIED, "The process that ran it said nothing of this part.")

_failed: defaultdict[tuple[str, str], dict[bytes, None]] = defaultdict(dict)
"""The versions that failed a part of a lab in this session: each earns one more hint."""


def check(
    thing: Thing,
    part: str | None = None,
    *,
    lab: str | None = None,
    schedules: int | None = None,
    seed: int = 0,
) -> Verdict:
    """Judge what a student wrote, in a process of its own.

    ``thing`` is a function or a class that has the name that a lab asks for, or the path of a
    Python file that defines it (then ``lab`` names the folder of the lab, ``"02-queue"``).
    ``part`` is one of its parts, ``None`` for all; ``schedules`` is how many of them to run
    instead of the usual number, the first with the number ``seed``.

    The same code and the same seed give the same verdict. Raises ``CannotCheck`` for
    arguments that make no sense, and for code that cannot be carried to another process.
    """
    asked = _lab(thing, lab)
    parts = _parts(asked, part)
    if schedules is not None and not 1 <= schedules <= MOST:
        raise CannotCheck(f"schedules: {schedules} is not allowed; 1 to {MOST}")
    code = Code.of(thing, asked.entry)
    verdict = verdict_on(asked, code, parts, schedules, seed)
    digest = sha256(code.data).digest()
    file = str(thing) if isinstance(thing, str | Path) else ""
    parts_told = {
        name: replace(_hinted(part, digest), file=file) for name, part in verdict.parts.items()
    }
    return replace(verdict, parts=parts_told)


def require(*verdicts: Verdict) -> None:
    """Raise ``NotPassed`` with the first of them that is not a pass: a grader's notebook."""
    for verdict in verdicts:
        if not verdict.passed:
            raise NotPassed(repr(verdict))


def verdict_on(
    lab: Lab,
    code: Code,
    parts: Collection[Part],
    schedules: int | None = None,
    seed: int = 0,
    stop: Event | None = None,
) -> Verdict:
    """Judge ``code`` in a process of its own, and give no hints.

    When somebody sets ``stop``, that process is ended; the verdict is then worth nothing.
    """
    judgement = judge_apart(lab.name, code, [p.name for p in parts], schedules, seed, stop)
    verdicts = {part.name: _verdict(lab, part, judgement) for part in parts}
    return Verdict(lab, verdicts, judgement.printed)


def _lab(thing: Thing, name: str | None) -> Lab:
    if name is None:
        if isinstance(thing, str | Path):
            raise CannotCheck("lab: name the lab that the file is for, such as '02-queue'")
        return lab_of(getattr(thing, "__name__", shorten(thing)))
    if name not in LABS:
        raise CannotCheck(f"lab: {name!r} is not allowed; one of {', '.join(LABS)}")
    return LABS[name]


def _parts(lab: Lab, name: str | None) -> Collection[Part]:
    if name is None:
        return lab.parts
    chosen = [part for part in lab.parts if part.name == name]
    if not chosen:
        known = ", ".join(part.name for part in lab.parts)
        raise CannotCheck(f"part: {name!r} is not allowed; {lab.name} has {known}")
    return chosen


def _verdict(lab: Lab, part: Part, judgement: Judgement) -> PartVerdict:
    report = next((r for r in judgement.reports if r.part == part.name), None)
    if report is None:  # it did not get that far
        ended = judgement.ended or _SILENT
        outcome = Outcome.UNKNOWN if ended.name == NO_TIME else Outcome.FAIL
        report = Report(part.name, outcome, 0, ended)
    return PartVerdict(lab, part, report)


def _hinted(verdict: PartVerdict, digest: bytes) -> PartVerdict:
    """The same with hints: one for each version that failed, this one among them."""
    if not verdict.could_be_helped:
        return verdict
    versions = _failed[verdict.lab.name, verdict.part.name]
    versions[digest] = None
    return replace(verdict, hints=verdict.part.hints[: len(versions)])
