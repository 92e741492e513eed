"""The witness: stands beside a student's code, and writes down what should not be.

:meth:`Witness.ask` calls a function of theirs. Whatever it raises becomes a finding, and a
right answer is given in its place, so that the world around it goes on. Every answer is
written down: two plays of one schedule must have the same.
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from nucleus.core.refusals import one_line
from nucleus.grading.lab import Finding, Place

LENGTH = 300  # characters of a message of theirs that are shown
FRAMES = 4  # of their code, the innermost
KEPT = 10_000  # answers that are written down; a live cluster asks for ever

NO_RETURN = "A function that ends without a return returns None."

NOT_WRITTEN = "not-written-yet"
RAISED = "raised"
WRONG_ANSWER = "wrong-answer"
REAL_CLOCK = "real-clock"
NOT_THE_SAME = "not-the-same-twice"
BORROWED = "borrowed-solution"
FORBIDDEN = "forbidden"
TOO_LONG = "too-long"
NO_TIME = "no-time-left"
DIED = "died"

PROMISES = {
    NOT_WRITTEN: "It is written.",
    RAISED: "It answers, and raises nothing.",
    WRONG_ANSWER: "Its answers are of the kind that was asked for.",
    REAL_CLOCK: "Time is what it is given, and not what the wall clock says.",
    NOT_THE_SAME: "Asked the same again, it answers the same.",
    BORROWED: "It is written, and not called from the package.",
    FORBIDDEN: "It thinks, and leaves files, processes and the network alone.",
    TOO_LONG: "It comes to an end.",
    NO_TIME: "There is time enough to check it.",
    DIED: "The process that runs it lives to tell the result.",
}
"""What is expected of any student's code, by the name of the finding when it is not so."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_LIBRARY = (_PACKAGE, str(Path(sys.base_prefix) / "lib"), str(Path(sys.prefix) / "lib"))


def expected(name: str, what: str, trace: Sequence[Place] = ()) -> Finding:
    """A finding of :data:`PROMISES`."""
    return Finding(name, PROMISES[name], what, None, tuple(trace))


PER_CALL = 2.0  # seconds of the processor, for something that takes microseconds


def _no_alarm(seconds: float) -> None:
    pass


class Witness:
    """Watches a student's code during one schedule.

    ``alarm`` is set to so many seconds before each call of it, and to 0 afterwards.
    """

    def __init__(self, entry: str, alarm: Callable[[float], object] = _no_alarm) -> None:
        self.entry = entry
        self._alarm = alarm
        self.findings: list[Finding] = []
        self.seen: Counter[str] = Counter()  # what an adapter saw put to the test
        self.asked = 0  # times
        self.failed = False  # the last call raised
        self.said = ""  # the last answer, in words
        self.answers: list[str] = []  # the first of them
        self.remarks: dict[str, str] = {}  # what an adapter adds to a finding, by its name
        self.jobs: dict[str, None] = {}  # ids of those that the first finding is about

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What ``function`` answers; ``None``, and a finding, when it raises."""
        asked = one_line(", ".join(map(repr, arguments)), LENGTH)  # before they change it
        self.failed = False
        self._alarm(PER_CALL)
        try:
            answer = function(*arguments)
            self.said = _in_words(repr(answer))  # their object may raise here as well
        except BaseException as error:  # SystemExit and KeyboardInterrupt of theirs among them
            self.raised(error, asked)
            answer, self.said, self.failed = None, "nothing", True
        finally:
            self._alarm(0.0)
        self.asked += 1
        if len(self.answers) < KEPT:
            self.answers.append(self.said)
        return answer

    def make(self, make: Callable[[], Any]) -> Any:
        """What ``make`` makes of their code; ``None``, and a finding, when it raises."""
        self._alarm(PER_CALL)
        try:
            return make()
        except BaseException as error:
            self.raised(error)
            return None
        finally:
            self._alarm(0.0)

    def raised(self, error: BaseException, asked: str = "") -> None:
        """Their code raised ``error`` when it was asked something."""
        trace = trace_of(error.__traceback__)
        if isinstance(error, NotImplementedError):
            self.note(expected(NOT_WRITTEN, f"{self.entry} is not written yet.", trace[-1:]))
            return
        said = _in_words(str(error))
        words = f"{type(error).__name__}: {said}" if said else type(error).__name__
        call = f"{self.entry}({asked})" if asked else self.entry
        self.note(expected(RAISED, f"{call} raised {words}", trace))

    def wrong(self, what: str, *jobs: str) -> None:
        """An answer makes no sense, in the matter of these jobs."""
        if self.said == "None":
            what = f"{what.rstrip('.')}. {NO_RETURN}"
        self.note(expected(WRONG_ANSWER, what), *jobs)

    def note(self, finding: Finding, *jobs: str) -> None:
        """Write a finding in the matter of these jobs down; the first of each name is enough."""
        if not self.findings:
            self.jobs = dict.fromkeys(jobs)
        if all(known.name != finding.name for known in self.findings):
            self.findings.append(finding)


def _in_words(said: str) -> str:
    """What they said on one line, without addresses: those are others in every run."""
    return one_line(_ADDRESS.sub("", said), LENGTH)


def same(view: Any, thing: object) -> bool:
    """Whether ``thing`` is the dataclass ``view``, or a faithful copy of it.

    It may be anything, and is not asked: an ``__eq__`` of theirs may say what it likes, or raise.
    """
    names = [field.name for field in fields(view)]
    if type(thing) is not type(view):
        return False
    parts = [(getattr(view, name), getattr(thing, name, None)) for name in names]
    return all(type(ours) is type(theirs) and ours == theirs for ours, theirs in parts)


# ---- whose code is it? ----------------------------------------------------------------


def theirs(file: str) -> bool:
    """Whether code of ``file`` is the student's: neither ours nor a library's."""
    if file.startswith("<"):
        return file.startswith("<ipython")
    return not file.startswith(_LIBRARY) and "site-packages" not in file


def trace_of(traceback: TracebackType | None) -> tuple[Place, ...]:
    """The places in the student's code that an error came through, the innermost last."""
    places: list[Place] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if theirs(code.co_filename):
            places.append(Place(code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return tuple(places[-FRAMES:])


def place_of(frame: FrameType | None) -> tuple[Place, ...]:
    """Where in the student's code ``frame``, or what called it, is."""
    while frame is not None:
        code = frame.f_code
        if theirs(code.co_filename):
            return (Place(code.co_filename, frame.f_lineno, code.co_name),)
        frame = frame.f_back
    return ()


# ---- the time of day ------------------------------------------------------------------

_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")


@contextmanager
def no_real_clock(witness: Callable[[], Witness]) -> Iterator[None]:
    """Have the present witness note it when their code asks what time it is, or sleeps."""

    def watched(name: str, real: Callable[..., Any], *, call: bool) -> Callable[..., Any]:
        def clock(*arguments: Any) -> Any:
            caller = sys._getframe(1)
            if not theirs(caller.f_code.co_filename):
                return real(*arguments)
            what = f"{witness().entry} called time.{name}; the clock here is a simulated one."
            witness().note(expected(REAL_CLOCK, what, place_of(caller)))
            return real(*arguments) if call else None

        return clock

    before = {name: getattr(time, name) for name in (*_CLOCKS, "sleep")}
    try:
        for name, real in before.items():
            setattr(time, name, watched(name, real, call=name != "sleep"))
        yield
    finally:
        for name, real in before.items():
            setattr(time, name, real)
