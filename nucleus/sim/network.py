"""The simulated network: links that lose, delay, double and reorder messages, or are cut.

Each process has one :class:`Link` to the master's address, with two directions (:data:`UP`
to the master, :data:`DOWN` from it). A link that nothing is wrong with keeps messages in order,
like one TCP connection. What goes wrong is a :class:`Spell`: a kind of fault that is in force for
a while, and hits each message with some chance.
"""

import random
from collections import defaultdict
from typing import Any

from nucleus.history.observations import Message
from nucleus.sim.world import Action, Process, World

UP, DOWN = True, False
TYPICAL_DELAY = 0.01  # seconds, on average; exponentially distributed


class Spell:
    """A fault that is in force for a while."""

    def __init__(self, world: World, kind: str, rate: float, rng: random.Random) -> None:
        self.world, self.kind, self.rate, self.rng = world, kind, rate, rng

    def hits(self) -> bool:
        """Whether it hits this time."""
        return self.rng.random() < self.rate


class Spells:
    """What is wrong with one thing at the moment."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._now: defaultdict[str, list[Spell]] = defaultdict(list)

    def begin(self, spell: Spell) -> None:
        """From now on ``spell`` is in force."""
        self._now[spell.kind].append(spell)

    def end(self, spell: Spell) -> None:
        """``spell`` is over."""
        self._now[spell.kind].remove(spell)

    def draw(self, kind: str) -> Spell | None:
        """The spell of this kind that hits now, if one does."""
        for spell in self._now.get(kind, ()):
            if spell.hits():
                return spell
        return None

    def hit(self, kind: str) -> Spell | None:
        """The same, and it is noted that the fault fired."""
        spell = self.draw(kind)
        if spell is not None:
            spell.world.broke(kind, self.target)
        return spell


class Link:
    """The way between one process and the master."""

    def __init__(self, process: Process, spells: Spells) -> None:
        self.process = process
        self.world = process.world
        self.spells = spells
        self.cuts = {UP: 0, DOWN: 0}  # partitions in force, by direction
        self.streams: dict[Any, None] = {}  # open ones
        self._last = {UP: 0.0, DOWN: 0.0}  # when the latest message arrives
        self._held_back = {UP: 0.0, DOWN: 0.0}  # when the latest straggler does

    def carry(
        self,
        way: bool,
        deliver: Action,
        what: str,
        job_ids: tuple[str, ...] = (),
        after: float = 0.0,
        lost: Action = lambda: None,
    ) -> float:
        """Carry a message; return when it arrives if nothing happens to it on the way.

        That is no sooner than ``after``. ``lost`` is called when it gets lost, now or later.
        """
        if self.cuts[way] or self.spells.hit("lost-request" if way else "lost-reply"):
            self._note(way, None, what, job_ids)
            lost()
            return after
        arrival = max(self._arrival(way), after)
        self.world.at(arrival, lambda: lost() if self.cuts[way] else deliver())
        self._note(way, arrival, what, job_ids)
        return arrival

    def _arrival(self, way: bool) -> float:
        arrival = self.world.now + self.process.rng.expovariate(1 / TYPICAL_DELAY)
        if spell := self.spells.hit("delay"):
            arrival += spell.rng.lognormvariate(-0.5, 0.8)  # half a second or so, at times several
        if arrival < self._held_back[way]:
            self._held_back[way] = 0.0
            self.world.broke("reorder", self.process.name)
        if spell := self.spells.draw("reorder"):
            arrival += spell.rng.uniform(0.02, 1.0)
            self._held_back[way] = arrival
            return arrival
        self._last[way] = arrival = max(arrival, self._last[way])
        return arrival

    def _note(self, way: bool, arrival: float | None, what: str, job_ids: tuple[str, ...]) -> None:
        ends = (self.process.name, "master") if way else ("master", self.process.name)
        for job_id in job_ids or ("",):
            self.world.saw(Message(self.world.now, arrival, *ends, what, job_id))
