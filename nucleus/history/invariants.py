"""The table of invariants: each promise of the design, cut into pieces that can be checked.

An invariant is a function that goes through a :class:`~nucleus.history.replay.Replay` and
yields one verdict for each case it finds: ``None`` where the promise was kept, a
:class:`Breach` where it was not. One that finds no case leaves the promise unknown, and so does
one whose cases are easy until something happens (a second master, say) that did not. The
decorator :func:`invariant` enters it in a table; :data:`nucleus.history.promises.INVARIANTS`
is the whole of it, which the checker, the documents and the tests read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nucleus.core.events import MasterStarted
from nucleus.history.observations import Fault
from nucleus.history.replay import Replay, Step


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise was broken: when, how, and who was concerned ("" for nobody)."""

    at: float  # Unix seconds
    what: str
    job: str = ""
    worker: str = ""
    client: str = ""


Cases = Iterator[Breach | None]
Check = Callable[[Replay], Cases]
Tested = Callable[[Replay], bool]  # whether that happened which puts a promise to the test


def always(replay: Replay) -> bool:
    """Every case is a test."""
    return True


def another_master_began(replay: Replay) -> bool:
    """A master took over what another had written."""
    return len(replay.of(MasterStarted)) > 1


def something_broke(replay: Replay) -> bool:
    """A fault struck."""
    return bool(replay.seen(Fault))


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that is always so."""

    name: str
    promise: int  # the number in docs/architecture.md
    sentence: str
    check: Check
    tested: Tested = always

    def judge(self, replay: Replay) -> list[Breach | None]:
        """The verdicts, one for each case; none where all is well and nothing tested it."""
        verdicts = list(self.check(replay))
        return verdicts if any(verdicts) or self.tested(replay) else []


ENTERED: list[Invariant] = []
"""Those of the modules imported so far."""


def invariant(promise: int, tested: Tested = always) -> Callable[[Check], Check]:
    """Enter a check in the table: its name with hyphens, its docstring as the sentence."""

    def enter(check: Check) -> Check:
        name = check.__name__.replace("_", "-")
        ENTERED.append(Invariant(name, promise, check.__doc__ or "", check, tested))
        return check

    return enter


def breach(step: Step, what: str) -> Breach:
    """The breach that ``step`` was."""
    event = step.event
    job, worker = getattr(event, "job_id", ""), getattr(event, "worker", "")
    return Breach(step.at, what, job, worker, getattr(event, "client", ""))
