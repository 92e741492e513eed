"""The simulated world: a clock that jumps, a network that misbehaves, processes that stop.

One integer decides everything: every chance is drawn from one ``random.Random(seed)``, and
what happens next is the earliest entry of a heap. The loop is our own because it is a dozen
lines, and because the same seed must replay exactly, which no event loop that touches a real
clock, a real thread or the order of a hash table can promise.

- :class:`World`: the agenda, the weather (how often what goes wrong), what was exercised;
- :class:`Process`: a thing that can freeze (its timers and messages wait) and die;
- :class:`Call`: one remote call, whose request and reply can each be lost, late or doubled;
- :class:`Stream`: messages in order to one reader, until the connection breaks.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Protocol

from nucleus.core.events import Event
from nucleus.stores.memory import MemoryDisk

START = 1_000_000.0  # Unix seconds
DEADLINE = 5.0  # seconds after which a caller gives up
LAST_EVENTS = 30  # shown when a promise is broken

Action = Callable[[], object]


class PromiseBroken(AssertionError):
    """The simulation saw a promise broken; the message tells which, the seed and the story."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How often what goes wrong: a chance for each message, stream message or commit."""

    lost: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0
    broken: float = 0.0
    commit_fails: float = 0.0


class Server(Protocol):
    """What answers calls."""

    alive: bool

    def receive(self, call: "Call") -> None:
        """A request arrived."""


class World:
    """Everything that the actors share."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = START
        self.disk = MemoryDisk(f"sim{seed}")
        self.server: Server | None = None
        self.exercised: Counter[str] = Counter()
        self.partitioned: set[str] = set()
        self.heard: dict[tuple[str, str], list[float]] = {}  # when heartbeats reached a master
        self.fresh: list[float] = []  # when a master began to serve, or woke up
        self.weather = Weather(*(self.rng.uniform(0, most) for most in (0.1, 0.1, 0.1, 0.1, 0.02)))
        self._agenda: list[tuple[float, int, Action]] = []
        self._entries = 0

    def at(self, time: float, action: Action) -> None:
        """Do ``action`` at ``time``; of two at the same time, the one entered first."""
        self._entries += 1
        heappush(self._agenda, (time, self._entries, action))

    def after(self, delay: float, action: Action) -> None:
        """Do ``action`` in ``delay`` seconds."""
        self.at(self.now + delay, action)

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._agenda[0][0] <= until:
            self.now, _, action = heappop(self._agenda)
            action()
        self.now = until

    def chance(self, rate: float, what: str) -> bool:
        """Whether something with this chance happens; if so it is counted."""
        happens = self.rng.random() < rate
        self.exercised[what] += happens
        return happens

    def latency(self) -> float:
        """Seconds that a message travels; a wide spread, so messages overtake each other."""
        slow = self.rng.uniform(0.2, 2.0) if self.chance(self.weather.slow, "slow message") else 0.0
        return slow + self.rng.expovariate(100.0)

    def carry(self, name: str, deliver: Action) -> None:
        """Carry a message between ``name`` and the master, unless they cannot reach each other."""
        if name not in self.partitioned:
            self.after(self.latency(), lambda: None if name in self.partitioned else deliver())

    def break_promise(self, promise: str, about: str = "") -> PromiseBroken:
        """The error to raise, with the last events about a job or a worker."""
        story = [event for event in self.disk.events if about in names(event) or not about]
        told = "\n  ".join(map(repr, story[-LAST_EVENTS:]))
        return PromiseBroken(f"seed {self.seed}: {promise} [{about}]\n  {told}")


def names(event: Event) -> tuple[str, str]:
    """The job and the worker that ``event`` is about, "" for none."""
    return getattr(event, "job_id", ""), getattr(event, "worker", "")


class Process:
    """Something that can freeze and die, and reaches the master over the network."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.frozen_until = 0.0

    def perform(self, action: Action) -> None:
        """Do ``action`` now, or on waking up, in the order of arrival; the dead do nothing."""
        if self.alive and self.world.now < self.frozen_until:
            self.world.at(self.frozen_until, lambda: self.perform(action))
        elif self.alive:
            action()

    def after(self, delay: float, action: Action) -> None:
        """Set a timer."""
        self.world.after(delay, lambda: self.perform(action))

    def backoff(self) -> float:
        """Seconds to wait before trying again."""
        return self.world.rng.uniform(0.1, 1.5)

    def freeze(self, seconds: float) -> None:
        """Stand still for a while."""
        self.frozen_until = max(self.frozen_until, self.world.now + seconds)


class Call:
    """A request to the master. ``done`` is called once: with an answer, or ``None`` if it broke."""

    def __init__(
        self,
        caller: Process,
        command: Callable[[Any, "Call"], None],
        done: Callable[[Any], None],
        heartbeat_of: tuple[str, str] | None = None,
    ) -> None:
        self.caller, self.command, self._done = caller, command, done
        self.heartbeat_of = heartbeat_of
        self.settled = False
        world = caller.world
        caller.after(DEADLINE, self.abort)
        for _ in range(1 + world.chance(world.weather.doubled, "duplicated request")):
            if not world.chance(world.weather.lost, "lost request"):
                world.carry(caller.name, self._arrive)

    def _arrive(self) -> None:
        server = self.caller.world.server
        if server is not None and server.alive:
            server.receive(self)
        else:
            self.caller.perform(self.abort)

    def answer(self, value: Any) -> None:
        """Send the reply."""
        world = self.caller.world
        if not world.chance(world.weather.lost, "lost reply"):
            world.carry(self.caller.name, lambda: self.caller.perform(lambda: self.settle(value)))

    def abort(self) -> None:
        """The call broke."""
        self.settle(None)

    def settle(self, value: Any) -> None:
        """End the call, unless it has ended."""
        if not self.settled:
            self.settled = True
            self._done(value)


class Stream:
    """A server stream: written means buffered, and a break loses what is under way.

    ``broke`` is called once: with a refusal, or ``None`` when the connection broke.
    """

    def __init__(
        self,
        reader: Process,
        command: Callable[[Any, "Stream", Call], None],
        deliver: Callable[..., None],
        broke: Callable[[Any], None],
    ) -> None:
        self.reader = reader
        self.closed: Action = lambda: None  # tells the master
        self._open = True
        self._deliver, self._broke = deliver, broke
        self._last = 0.0
        self._call = Call(reader, lambda server, call: command(server, self, call), self._refused)

    def send(self, *message: Any) -> None:
        """Write a message."""
        world = self.reader.world
        if self._open and world.chance(world.weather.broken, "broken stream"):
            self.cut()
        self._last = max(self._last, world.now + world.latency())
        world.at(self._last, lambda: self._arrive(message))

    def _arrive(self, message: tuple[Any, ...]) -> None:
        if self.reader.name in self.reader.world.partitioned:
            self.cut()
        if self._open:
            self.reader.perform(lambda: self._hear(message))

    def _hear(self, message: tuple[Any, ...]) -> None:
        self._call.settled = True
        self._deliver(*message)

    def _refused(self, answer: Any) -> None:
        if self._close():
            self._broke(answer)

    def cut(self) -> None:
        """Break the connection; each end notices in its own time."""
        if self._close():
            self.reader.after(self.reader.world.rng.uniform(0, 2), lambda: self._broke(None))

    def _close(self) -> bool:
        was_open, self._open = self._open, False
        self._call.settled = True
        if was_open:
            world = self.reader.world
            world.after(world.rng.uniform(0, 2), lambda: self.closed())
        return was_open
