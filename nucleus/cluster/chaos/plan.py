"""What breaks, when, and for how long: decided by a seed before anything starts.

:func:`make_plan` is pure. Each pair of a fault and a role is a card; the deck is shuffled, dealt
and shuffled again, so that a short run sees each of them as well. A part has one fault at a
time, and half of the workers have none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

MASTER, WORKER, CLIENT = "master", "worker", "client"
MONITORING, DASHBOARD = "monitoring", "dashboard"

Card = tuple[str, str]  # how, and the role of whoever it happens to

CARDS: dict[str, tuple[str, ...]] = {
    "crash": (WORKER, MASTER, CLIENT, MONITORING, DASHBOARD),  # SIGKILL, and started again
    "freeze": (WORKER, MASTER),  # SIGSTOP … SIGCONT
    "take-over": (MASTER,),  # SIGSTOP, another master, SIGCONT
    "partition": (WORKER, CLIENT, DASHBOARD),  # nothing gets through
    "mute": (WORKER, CLIENT),  # nothing that it says
    "deaf": (WORKER, CLIENT),  # nothing that it would hear
    "slow": (WORKER, CLIENT),  # everything half a second late
    "drop": (WORKER, CLIENT, DASHBOARD),  # connections break in the middle
}
FAULTS = tuple(CARDS)

FIRST = 0.5  # seconds until the first fault
LONGEST_GAP = 1.0  # seconds between two faults, on average, in a long run
ROUNDS = 2.0  # how often the whole deck is dealt in a short one
RECOVERY = 1.5  # seconds that a part has to itself after a fault
RESTART = 1.5  # seconds that a process takes to start, about


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to be."""

    at: float  # seconds after the beginning
    lasts: float  # seconds; 0 for what is over at once
    how: str  # one of FAULTS
    target: str  # the name of a part

    @property
    def free_again(self) -> float:
        """Seconds after the beginning: when something else may happen to the target."""
        restart = RESTART if self.how in ("crash", "take-over") else 0.0
        return self.at + self.lasts + restart + RECOVERY


def make_plan(
    seed: int,
    seconds: float,
    parts: Mapping[str, Sequence[str]],
    worker_timeout: float,
    faults: Collection[str] = FAULTS,
) -> list[Planned]:
    """Decide what breaks within ``seconds``.

    ``parts`` names those that there are by role; ``worker_timeout`` (seconds) is the measure
    for how long workers are away. All faults are over when the time is.
    """
    rng = Random(seed)
    cards = [(how, role) for how in FAULTS if how in faults for role in CARDS[how] if role in parts]
    gap = min(LONGEST_GAP, seconds / (ROUNDS * max(1, len(cards))))
    dealer = _Dealer(rng, parts, worker_timeout)
    plan: list[Planned] = []
    deck: list[Card] = []
    now = FIRST
    while cards and now < seconds:
        if not deck:
            deck = rng.sample(cards, len(cards))
        fault = dealer.deal(deck, now)
        if fault is not None and fault.at + fault.lasts < seconds:
            plan.append(fault)
        now += rng.uniform(0.5, 1.5) * gap
    return plan


class _Dealer:
    """Deals cards to parts that have no trouble at the moment."""

    def __init__(self, rng: Random, parts: Mapping[str, Sequence[str]], timeout: float) -> None:
        self._rng = rng
        self._parts = parts
        self._timeout = timeout
        self._busy: dict[str, float] = {}  # target -> until when

    def deal(self, deck: list[Card], now: float) -> Planned | None:
        """Take the first card out of the deck that can be played; ``None`` if none can."""
        for place, (how, role) in enumerate(deck):
            target = self._choose(role, now)
            if target is not None:
                del deck[place]
                fault = Planned(now, self._duration(how, role), how, target)
                self._busy[target] = fault.free_again
                return fault
        return None

    def _choose(self, role: str, now: float) -> str | None:
        names = self._parts[role]
        free = [name for name in names if self._busy.get(name, 0.0) <= now]
        if role == WORKER and 2 * len(free) <= len(names):
            return None  # somebody has to do the work
        return self._rng.choice(free) if free else None

    def _duration(self, how: str, role: str) -> float:
        uniform = self._rng.uniform
        if how == "drop":
            return 0.0
        if how in ("crash", "take-over"):
            return uniform(0.1, 1.0)
        if role == MASTER:  # clearly less, or clearly more than what it takes for standing still
            return uniform(0.3, 1.2) if self._rng.random() < 0.5 else uniform(2.6, 3.6)
        if role == WORKER:  # half of them come back before they are given up on
            longer = self._rng.random() < 0.5
            return (
                uniform(1.1, 2.0) * self._timeout if longer else uniform(0.2, 0.8) * self._timeout
            )
        return uniform(0.5, 3.0)
