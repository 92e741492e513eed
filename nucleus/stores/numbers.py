"""The numbers of jobs by status, in order: what an index is in a database."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import chain

BLOCK = 1_024  # numbers; the more, the longer a change takes, and the faster a page is found


class NumbersByStatus:
    """Keeps numbers in short sorted lists, so that neither a change nor a page looks at all."""

    def __init__(self) -> None:
        self._blocks: defaultdict[int, defaultdict[int, list[int]]]
        self._blocks = defaultdict(lambda: defaultdict(list))  # status -> place -> numbers

    def add(self, status: int, number: int) -> None:
        """``number`` enters ``status``."""
        insort(self._blocks[status][number // BLOCK], number)

    def remove(self, status: int, number: int) -> None:
        """``number`` leaves ``status``."""
        blocks, place = self._blocks[status], number // BLOCK
        block = blocks[place]
        del block[bisect_left(block, number)]
        if not block:
            del blocks[place]

    def walk(self, after: int, statuses: Collection[int], *, newest_first: bool) -> Iterator[int]:
        """The numbers in these statuses (all, without any) beyond ``after``, in order.

        ``after`` 0 begins at the first one. Nothing may change while it walks.
        """
        every = [self._blocks[status] for status in statuses or list(self._blocks)]
        begin = after // BLOCK
        places = {place for blocks in every for place in blocks}
        if after:
            places = {
                place for place in places if (place <= begin if newest_first else place >= begin)
            }
        for place in sorted(places, reverse=newest_first):
            block = chain.from_iterable(blocks.get(place, ()) for blocks in every)
            for number in sorted(block, reverse=newest_first):
                if not after or (number < after if newest_first else number > after):
                    yield number
