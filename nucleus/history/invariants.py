"""The table of invariants: each promise of the design, cut into pieces that can be checked.

An invariant is a function that goes through a :class:`~nucleus.history.replay.Replay` and
yields one verdict for each case it finds: ``None`` where the promise was kept, a
:class:`Breach` where it was not. One that finds no case leaves the promise unknown. The
decorator :func:`invariant` enters it in a table; :data:`nucleus.history.promises.INVARIANTS`
is the whole of it, which the checker, the documents and the tests read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that is always so."""

    name: str
    promise: int  # the number in docs/architecture.md
    sentence: str
    check: Check


ENTERED: list[Invariant] = []
"""Those of the modules imported so far."""


def invariant(promise: int) -> Callable[[Check], Check]:
    """Enter a check in the table: its name with hyphens, its docstring as the sentence."""

    def enter(check: Check) -> Check:
        name = check.__name__.replace("_", "-")
        ENTERED.append(Invariant(name, promise, check.__doc__ or "", check))
        return check

    return enter


def breach(step: Step, what: str) -> Breach:
    """The breach that ``step`` was."""
    event = step.event
    job, worker = getattr(event, "job_id", ""), getattr(event, "worker", "")
    return Breach(step.at, what, job, worker, getattr(event, "client", ""))
