"""The simulated world: a clock that jumps, an agenda, and a diary.

One integer decides everything. What happens next is the earliest entry of a heap; every
chance is drawn from a generator that is seeded with the world's seed and the name of what it
is for (a process, an item of the plan), so that leaving one item out does not change the
luck of the others. The agenda is our own and not SimPy's because it is a dozen lines, and
because SimPy's processes are generators, while ours are the shells as they are
(``nucleus.sim.loop``).

- :class:`World`: the agenda, the diary (a ``History``), what was exercised;
- :class:`Process`: something with a loop, a clock and a name, which can freeze and die.
"""

import random
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from nucleus.history.history import History
from nucleus.history.observations import Fault, Observation, Raised
from nucleus.sim.loop import ProcessLoop

START = 1_000_000.0  # Unix seconds

Action = Callable[[], object]


class World:
    """Everything that the processes share."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = START
        self.steps = 0  # entries of the agenda that were carried out
        self.history = History(source="simulation", seed=seed)
        self.fired: Counter[str] = Counter()  # faults by kind
        self.came_of_it: Counter[str] = Counter()  # what the history does not tell
        self.channels: dict[str, Any] = {}  # by address: where a part reaches the master
        self._agenda: list[tuple[float, int, Action]] = []
        self._entries = 0

    def generator(self, name: object) -> random.Random:
        """The luck of ``name``."""
        return random.Random(f"{self.seed}/{name}")

    # ---- the agenda -------------------------------------------------------------------

    def at(self, time: float, action: Action) -> None:
        """Do ``action`` at ``time``; of two at the same time, the one entered first."""
        self._entries += 1
        heappush(self._agenda, (time, self._entries, action))

    def after(self, delay: float, action: Action) -> None:
        """Do ``action`` in ``delay`` seconds."""
        self.at(self.now + delay, action)

    def run(self, until: float) -> None:
        """Let time pass."""
        agenda, done = self._agenda, 0
        while agenda and agenda[0][0] <= until:
            self.now, _, action = heappop(agenda)
            done += 1
            action()
        self.now = until
        self.steps += done

    def forget(self) -> None:
        """It is over: nothing more will happen."""
        self._agenda.clear()
        self.channels.clear()

    # ---- the diary --------------------------------------------------------------------

    def saw(self, observation: Observation) -> None:
        """Write down what was seen at this moment."""
        self.history.observations.append(observation)

    def broke(self, kind: str, target: str = "", seconds: float | None = None) -> None:
        """A fault fired; it lasts so many seconds, ``None``: over at once."""
        self.fired[kind] += 1
        until = None if seconds is None else self.now + seconds
        self.saw(Fault(self.now, until, kind, target))

    def raised(self, part: str, error: BaseException | str) -> None:
        """A part raised what only a programmer should see."""
        self.saw(Raised(self.now, part, error if isinstance(error, str) else repr(error)))


class Clock:
    """The clock of a process, which may be wrong."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ahead = 0.0  # seconds

    def now(self) -> float:
        """Unix seconds, as the process believes."""
        return self._world.now + self.ahead


class Process:
    """Something with a loop, a clock and a name, which can freeze and die."""

    def __init__(self, world: World, name: str, life: int = 1) -> None:
        self.world = world
        self.name = name
        self.rng = world.generator(f"{name}/{life}")
        self.clock = Clock(world)
        self.loop = ProcessLoop(world, lambda error: world.raised(name, error))

    @property
    def alive(self) -> bool:
        """Whether it has not died."""
        return self.loop.alive

    def freeze(self, seconds: float) -> None:
        """Stand still for so long, as after SIGSTOP."""
        self.loop.freeze(self.world.now + seconds)

    def die(self) -> None:
        """End at once, as after SIGKILL: nothing is said, nothing is written any more."""
        self.loop.die()
