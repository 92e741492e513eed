"""States along a history: any moment of a long run, without folding it from its beginning.

A state is folded from what happened, so going back means beginning again. Copies that are kept
on the way make the way back short.
"""

import pickle
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

State = TypeVar("State")
Item = TypeVar("Item")

EVERY = 2_000  # items between two copies: folding as many takes some tens of milliseconds


class Checkpoints(Generic[State, Item]):
    """The states that ``fold`` makes of ``start()`` and the first so many ``items``.

    Copies are made as the items are first folded; the state has to be one that can be pickled.
    """

    def __init__(
        self,
        items: Sequence[Item],
        start: Callable[[], State],
        fold: Callable[[State, Item], None],
        every: int = EVERY,
    ) -> None:
        self._items = items
        self._fold = fold
        self._every = every
        self._state, self._count = start(), 0
        self._copies = [pickle.dumps(self._state)]  # after 0, ``every``, twice as many … items

    def after(self, count: int) -> State:
        """The state after ``count`` items; it is not yours to change.

        Raises ``IndexError`` when there are not so many.
        """
        if not 0 <= count <= len(self._items):
            raise IndexError(f"count: {count} is not allowed; 0 to {len(self._items)}")
        nearest = min(count // self._every, len(self._copies) - 1)
        if not nearest * self._every <= self._count <= count:
            self._state = pickle.loads(self._copies[nearest])
            self._count = nearest * self._every
        while self._count < count:
            self._step()
        return self._state

    def _step(self) -> None:
        self._fold(self._state, self._items[self._count])
        self._count += 1
        if self._count == self._every * len(self._copies):
            self._copies.append(pickle.dumps(self._state))
