"""Submits on their way to a master: those that are alike travel as one order."""

from collections.abc import Iterator
from typing import TypeAlias

from nucleus.core.job import JobSpec, Order

# A submit: the number that its client gave it, its options (their payload does not count), and
# its payload as JSON text. A plain tuple, because one is made for each job.
Submit: TypeAlias = tuple[int, JobSpec, str]


def orders(submits: list[Submit]) -> Iterator[Order]:
    """Gather runs of submits with the same options and consecutive numbers."""
    begin = 0
    for place, (client_seq, like, _) in enumerate(submits):
        first_seq, first_like, _ = submits[begin]
        if like is not first_like or like.key or client_seq != first_seq + place - begin:
            if place > begin:
                yield _order(submits[begin:place])
            begin = place
    if submits:
        yield _order(submits[begin:])


def _order(submits: list[Submit]) -> Order:
    first_seq, like, _ = submits[0]
    return Order(like, [payload for _, _, payload in submits], first_seq)
