"""The plan of a seed: everything that people and misfortune will do, before it begins.

Each item has a number, and its luck comes from the seed and that number alone. So a run can
leave items out, and the others stay what they were: that is how a failing run is shrunk.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nucleus.core.job import JobSpec
from nucleus.sim.executor import RUN_SECONDS
from nucleus.sim.faults import BY_NAME, KINDS, Kind

STORM = 35.0  # seconds in which things go wrong
SUBMITTING = 25.0  # seconds in which jobs are submitted
WORKERS = ("worker-1", "worker-2", "worker-3")
CLIENTS = ("client-1", "client-2")
CALM = 300.0  # seconds after the storm by which every job has ended
MOST_JOBS = 30  # for each client
SPELL = (3.0, 15.0)  # seconds that a spell lasts
BURST = 10  # quick jobs at once, so that they travel and are leased in batches


@dataclass(frozen=True, slots=True)
class Submit:
    """A client submits a job."""

    at: float  # seconds from the beginning, as in all items
    client: str
    spec: JobSpec


@dataclass(frozen=True, slots=True)
class Cancel:
    """Whoever submitted item ``of`` no longer wants it."""

    at: float
    of: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Whoever submitted item ``of`` wants it once more, if it has ended."""

    at: float
    of: int


@dataclass(frozen=True, slots=True)
class Read:
    """Somebody reads: ``list``, ``count`` or ``scrape``."""

    at: float
    client: str
    what: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault strikes."""

    at: float
    kind: str
    target: str  # a part; "" for all links, or what there is only one of
    seconds: float
    rate: float = 0.0  # of a spell


Item = Submit | Cancel | Retry | Read | Trouble
Make = Callable[[random.Random], Item]


@dataclass(frozen=True, slots=True)
class Team:
    """Who takes part."""

    workers: tuple[str, ...] = WORKERS
    clients: tuple[str, ...] = CLIENTS
    slots: tuple[int, int] = (1, 3)  # of a worker: at least, at most
    specialists: bool = True  # all workers but the first lack one kind of job
    max_queued: tuple[int, ...] = (12, 1000)  # one of these


_EVERYBODY = Team()


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen, by number, and to whom."""

    seed: int
    faults: frozenset[str]  # those that this seed has
    items: tuple[Item, ...]
    team: Team = _EVERYBODY
    storm: float = STORM  # seconds in which things go wrong
    calm: float = CALM  # seconds after it that jobs have to end

    def luck(self, number: int) -> random.Random:
        """The generator of one item, for what it draws while the world runs."""
        return random.Random(f"{self.seed}/item/{number}")


def make_plan(seed: int, faults: frozenset[str]) -> Plan:
    """The plan of ``seed``; each seed has some of ``faults``, so that each also meets few."""
    rng = random.Random(f"{seed}/plan")
    kinds = [kind for kind in KINDS if kind.name in faults]
    chosen = [kind for kind in kinds if rng.random() < 0.6] or kinds
    here = frozenset(kind.name for kind in chosen)
    items: list[Item] = []

    def add(make: Make) -> int:
        number = len(items)
        items.append(make(random.Random(f"{seed}/{number}")))
        return number

    for client in CLIENTS:
        for _ in range(rng.randint(MOST_JOBS // 3, MOST_JOBS)):
            number = add(lambda luck, client=client: _submit(luck, client, here))  # type: ignore[misc]
            _second_thoughts(rng, number, add, items[number].at)
    for _ in range(BURST):
        add(lambda luck: Submit(SUBMITTING, CLIENTS[0], JobSpec("quick", "1")))
    for _ in range(rng.randint(3, 8)):
        add(_read)
    for kind in _misfortunes(rng, chosen):
        add(lambda luck, kind=kind: trouble(luck, kind))  # type: ignore[misc]
    return Plan(seed, here, tuple(items))


def _second_thoughts(
    rng: random.Random,
    number: int,
    add: Callable[[Callable[[random.Random], Item]], int],
    at: float,
) -> None:
    if rng.random() < 0.2:
        add(lambda luck: Cancel(at + luck.expovariate(1.0), number))
    if rng.random() < 0.05:
        add(lambda luck: Retry(at + luck.uniform(1, 12), number))


def _submit(luck: random.Random, client: str, faults: frozenset[str]) -> Submit:
    at = luck.uniform(0.1, SUBMITTING)
    if luck.random() < 0.08:
        key = f"key-{luck.randint(1, 3)}"
        return Submit(at, client, JobSpec("quick", luck.choice(("1", "1", "2")), key=key))
    weights = (40, 30, 5, 10, 4 * ("killer-job" in faults), 2)
    kind = luck.choices([*RUN_SECONDS, "unknown"], weights)[0]
    delay = luck.uniform(0, 5) if luck.random() < 0.1 else 0.0
    timeout = luck.uniform(0.5, 5) if kind == "slow" and luck.random() < 0.15 else None
    spec = JobSpec(kind, "1", luck.choice((0, 0, 0, 5)), delay, luck.choice((1, 3, 3)), timeout)
    return Submit(at, client, spec)


def _read(luck: random.Random) -> Read:
    return Read(
        luck.uniform(1, STORM), luck.choice(CLIENTS), luck.choice(("list", "count", "scrape"))
    )


def _misfortunes(rng: random.Random, kinds: list[Kind]) -> Iterator[Kind]:
    """Each spell once or twice, and blows at a pace that differs from seed to seed."""
    for kind in kinds:
        if kind.rate:
            yield from [kind] * rng.randint(1, 2)
    blows = [kind for kind in kinds if kind.weight]
    if blows:
        count = int(STORM / rng.uniform(1.5, 6.0))
        yield from rng.choices(blows, [kind.weight for kind in blows], k=count)


def _targets(kind: Kind, team: Team) -> tuple[str, ...]:
    targets = {
        "network": ("", *team.workers, *team.clients),
        "workers": team.workers,
        "clients": team.clients,
    }
    return targets.get(kind.group, ("",))


_SECONDS = {  # how long a blow lasts, or until somebody starts the dead again
    "partition": (0.5, 15.0),
    "one-way": (0.5, 15.0),
    "worker-pause": (0.5, 9.0),
    "zombie": (10.5, 20.0),
    "replaced": (1.0, 20.0),
    "worker-crash": (0.1, 14.0),
    "master-crash": (0.2, 8.0),
    "master-pause": (0.3, 15.0),
    "take-over": (0.1, 5.0),
    "client-crash": (0.1, 3.0),
    "slow-client": (1.0, 12.0),
}


def trouble(
    luck: random.Random, kind: Kind, team: Team = _EVERYBODY, storm: float = STORM
) -> Trouble:
    """A fault of ``kind`` that strikes somebody of ``team`` during the storm."""
    targets = _targets(kind, team)
    at = luck.uniform(0.5, storm)
    if kind.rate:
        seconds = min(luck.uniform(*SPELL), storm - at)
        return Trouble(at, kind.name, luck.choice(targets), seconds, luck.uniform(0, kind.rate))
    target = luck.choice([name for name in targets if name] or [""])
    return Trouble(at, kind.name, target, luck.uniform(*_SECONDS.get(kind.name, (0.0, 0.0))))


def spell(item: Trouble) -> bool:
    """Whether it is a spell."""
    return BY_NAME[item.kind].rate > 0
