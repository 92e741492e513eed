"""Submits on their way to a master: those that are alike travel as one order."""

from collections.abc import Iterator
from typing import NamedTuple

from nucleus.core.job import JobSpec, Order


class Submit(NamedTuple):
    """A submit under the number that its client gave it."""

    client_seq: int
    like: JobSpec  # the options; its payload does not count
    payload: str  # JSON text


def orders(submits: list[Submit]) -> Iterator[Order]:
    """Gather runs of submits with the same options and consecutive numbers."""
    begin = 0
    for place, (client_seq, like, _) in enumerate(submits):
        first = submits[begin]
        if like is not first.like or like.key or client_seq != first.client_seq + place - begin:
            if place > begin:
                yield _order(submits[begin:place])
            begin = place
    if submits:
        yield _order(submits[begin:])


def _order(submits: list[Submit]) -> Order:
    first = submits[0]
    return Order(first.like, [submit.payload for submit in submits], first.client_seq)
