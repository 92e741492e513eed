"""The process in which a student's code runs: ``python -m nucleus.grading.child DESCRIPTOR``.

It reads one request from its standard input (what to judge, a JSON object), puts itself into
the cage, and writes what it finds to the descriptor, a JSON object to a line, each part as
soon as it is known. What the code prints is kept, up to :data:`PRINTED` characters.
"""

import json
import os
import random
import signal
import sys
import time
from io import TextIOBase
from pathlib import Path
from types import FrameType
from typing import Any

from nucleus.core.refusals import one_line
from nucleus.grading.borrowed import borrowed
from nucleus.grading.cage import Fence, limit
from nucleus.grading.code import Code
from nucleus.grading.judge import Judge, Outcome, Report
from nucleus.grading.lab import Finding
from nucleus.grading.labs import LABS
from nucleus.grading.witness import (
    FORBIDDEN,
    NO_TIME,
    PER_CALL,
    TOO_LONG,
    expected,
    place_of,
)
from nucleus.history.codec import encode

PRINTED = 1_000  # characters


class Note(TextIOBase):
    """Takes what is printed, and keeps the first of it."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def write(self, text: str) -> int:
        """Keep ``text``, as far as there is room; an ellipsis tells that there was more."""
        if len(self.text) <= PRINTED:
            self.text += text
            if len(self.text) > PRINTED:
                self.text = f"{self.text[:PRINTED]}…"
        return len(text)


class Meter:
    """Ends a call of their code that takes too long, and counts what all of them take.

    The time between the calls is ours: nobody loses a point to it.
    """

    def __init__(self) -> None:
        self._before = 0.0  # seconds of the processor, in calls that have come to their end
        self._began: float | None = None  # the call that is going on

    def alarm(self, seconds: float) -> None:
        """A call begins, which may take so many seconds of the processor; 0: it has ended."""
        self._before, self._began = self.spent, time.process_time() if seconds else None
        signal.setitimer(signal.ITIMER_PROF, seconds)

    @property
    def spent(self) -> float:
        """Seconds of the processor in their code."""
        now = time.process_time()
        return self._before if self._began is None else self._before + now - self._began


class Teller:
    """Tells the parent."""

    def __init__(self, descriptor: int, seconds: int) -> None:
        self._descriptor = descriptor
        self._seconds = seconds  # of the processor, for all that is asked
        self.meter = Meter()
        self._forbidden: Finding | None = None
        self._folder = f"{Path.cwd()}{os.sep}"  # another one each time, so nobody is told of it
        self.note = Note()
        self.part = ""  # that is being judged

    def tell(self, what: dict[str, Any]) -> None:
        """Send one object."""
        line = memoryview(json.dumps(what).encode() + b"\n")
        while line:
            line = line[os.write(self._descriptor, line) :]

    def report(self, report: Report) -> None:
        """Send the report on a part."""
        if self._forbidden is not None:  # whatever else came of it
            report = Report(report.part, Outcome.FAIL, report.played, self._forbidden)
            self._forbidden = None
        self.tell({"report": encode(report)})

    def forbid(self, what: str, frame: FrameType | None) -> None:
        """The code tried something."""
        if self._forbidden is None:
            words = f"The code tried to {one_line(what.replace(self._folder, ''), 200)}."
            self._forbidden = expected(FORBIDDEN, words, place_of(frame))

    def out_of_time(self, number: int, frame: FrameType | None) -> None:
        """The time is used up: say where, and end, whatever the code would catch."""
        if number == signal.SIGPROF:
            finding = _too_long(PER_CALL, frame)
        elif self.meter.spent > self._seconds / 2:
            finding = _too_long(self._seconds, frame)
        else:  # right code needs next to nothing: the machine is slow, or the schedules too many
            what = f"{self._seconds} seconds of the processor were not enough to check it."
            finding = expected(NO_TIME, what)
        self.tell({"ended": encode(finding)})
        os._exit(0)


def _too_long(seconds: float, frame: FrameType | None) -> Finding:
    what = f"It had not come to an end after {seconds:.0f} seconds of the processor."
    return expected(TOO_LONG, what, place_of(frame))


def main() -> None:
    """Judge what standard input asks for."""
    request = json.loads(sys.stdin.read())
    teller = Teller(int(sys.argv[1]), request["seconds"])
    lab, code = LABS[request["lab"]], Code.from_json(request["code"])
    sys.stdout = sys.stderr = teller.note
    sys.dont_write_bytecode = True
    limit(teller.out_of_time, Path.cwd(), request["seconds"])
    Fence(teller.forbid).close()
    random.seed(0)
    if finding := borrowed(code):
        teller.tell({"ended": encode(finding)})
        return
    signal.signal(signal.SIGPROF, teller.out_of_time)
    judge = Judge(lab, code, teller.meter.alarm)
    for report in judge.reports(request["parts"], request["schedules"], request["seed"]):
        teller.report(report)
    teller.tell({"done": True, "printed": teller.note.text})


if __name__ == "__main__":
    main()
