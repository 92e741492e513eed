"""What a ledger keeps of its past.

The past is trimmed at its old end only. A store shows its oldest events, one after the other,
and :meth:`Retention.let_go` says how far they may go. With the event that ended a job goes the
job; a job that has not ended stays, also when the history no longer reaches back to its
beginning. Totals count on.

A store trims within its commits, in steps that are in proportion to what a commit adds, so
that no step holds anybody up and yet more can go than comes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from nucleus.core.events import Event, texts

DAY = 86_400.0  # seconds

STEP = 500  # the weight that goes with a commit that adds nothing
PACE = 4  # times what a commit adds, on top of that
CHARACTERS = 1_000  # of text that weigh as much as one event


Past: TypeAlias = tuple[int, float, int, int]
"""An event, as far as it matters for whether it is kept: its seq, its time in Unix seconds,
the number of the job that it ended (0 without one), the characters of text that go with it."""


@dataclass(frozen=True, slots=True)
class Departure:
    """What goes now."""

    first_seq: int  # everything before it goes
    oldest: float  # Unix seconds of the event that is the first then, inf without one
    ended: tuple[int, ...]  # the numbers of the jobs that go


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of the past is kept; what exceeds any one of these goes."""

    age: float = 7 * DAY  # seconds; inf keeps events for ever
    jobs: int = 10_000_000  # that have ended
    events: float = inf

    def exceeded(self, oldest: float, now: float, jobs: int, events: int) -> bool:
        """Whether the oldest event goes, when so many ended jobs and events are kept."""
        return now - oldest > self.age or jobs > self.jobs or events > self.events

    def let_go(
        self, oldest: Iterable[Past], now: float, jobs: int, next_seq: int, added: int
    ) -> Departure:
        """How far the ``oldest`` events go with a commit that adds the weight ``added``.

        ``jobs`` is how many ended ones are kept, and ``next_seq`` follows the last event.
        """
        left = STEP + PACE * added
        gone: list[int] = []
        for seq, at, ended, characters in oldest:
            if left <= 0 or not self.exceeded(at, now, jobs, next_seq - seq):
                return Departure(seq, at, tuple(gone))
            left -= weight(1, characters)
            if ended:
                gone.append(ended)
                jobs -= 1
        return Departure(next_seq, inf, tuple(gone))


def weight_of(events: Sequence[Event]) -> int:
    """How much work it is to keep ``events``, with their texts."""
    return weight(len(events), sum(len(text) for event in events for text in texts(event)))


def weight(events: int, characters: int) -> int:
    """How much work it is to keep or to drop so many events with so much text."""
    return events + characters // CHARACTERS
