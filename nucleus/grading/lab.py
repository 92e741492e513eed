"""The words of grading: what a lab is, and what one schedule of it comes to.

- a :class:`Lab` asks for one thing, its *entry*: a function, or a class, of that name;
- it has :class:`Part` s, each with its points and one promise in words;
- a part is *played*, hundreds of times: each :class:`Play` is one schedule, decided by a seed;
- a :class:`Finding` is a promise that a play saw broken.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nucleus.core.facts import fact
from nucleus.core.rules import Rules
from nucleus.history.diagram import Diagram

if TYPE_CHECKING:
    from nucleus.grading.witness import Witness

Thing = Any
"""What a student wrote: the entry of a lab, whatever it may be."""


@fact
class Place:
    """A line of the student's own code."""

    file: str
    line: int
    function: str


@fact
class Finding:
    """Something that should not be so."""

    name: str  # of an invariant of docs/promises.md, or one of those in ``witness``
    promise: str  # the rule, in words
    what: str  # this case of it, in words
    at: float | None = None  # Unix seconds, simulated; on the same clock as the story
    trace: tuple[Place, ...] = ()  # where in the student's code, the innermost last


@dataclass(slots=True)
class Play:
    """What one schedule came to."""

    findings: tuple[Finding, ...] = ()  # the one to be told first comes first
    seen: Counter[str] = field(default_factory=Counter)  # what was put to the test, how often
    tell: Callable[[], Diagram | None] = lambda: None  # draws it, when somebody wants to see


PlayIt = Callable[[Thing, "Witness", int, Collection[int] | None], Play]
"""Plays a schedule: the thing, who watches it, the seed, and which entries of its plan to keep."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a lab, with points of its own."""

    name: str  # "A"
    title: str
    points: int
    promise: str  # what is graded, in words
    play: PlayIt
    size: Callable[[int], int] = lambda seed: 0  # entries of the plan of a seed; 0 cannot shrink
    # What has to be seen, in one of the schedules at least; else nobody knows. With words.
    needs: Mapping[str, str] = field(default_factory=dict)
    hints: tuple[str, ...] = ()  # one more with each version that fails
    schedules: int = 100


@dataclass(frozen=True, slots=True)
class Lab:
    """A graded lab."""

    name: str  # of its folder: "02-queue"
    title: str
    entry: str  # the name of what a student writes
    parts: tuple[Part, ...]
    # What a ledger goes by with the thing in it; ``None`` where no cluster can take it.
    rules: Callable[[Thing, "Witness"], Rules] | None = None

    @property
    def points(self) -> int:
        """Of all parts."""
        return sum(part.points for part in self.parts)
