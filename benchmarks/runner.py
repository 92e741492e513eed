"""How runs are made: interleaved, as long as they need to be, and told as a median and a spread.

The machine drifts by tens of percent from minute to minute, so numbers are only compared
within one invocation: round 1 of every queue, then round 2 of every queue, and so on. A queue
is alone on the machine while it is measured: its servers start for its turn and end after it.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.adapter import Adapter


class Key(NamedTuple):
    """What a value is of."""

    figure: str
    adapter: str  # key in ADAPTERS
    at: str = ""  # way of submitting, payload size, …


class Sample(NamedTuple):
    """One value of one round."""

    figure: str
    value: float
    at: str = ""


@dataclass(frozen=True)
class Spread:
    """The values of all rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.values)


@dataclass
class Measurements:
    """All values of an invocation, and what went wrong."""

    spreads: dict[Key, Spread] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # by adapter
    versions: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)  # adapters whose submit waits for its answer

    def add(self, adapter: str, sample: Sample) -> None:
        """Take in the value of one round."""
        key = Key(sample.figure, adapter, sample.at)
        before = self.spreads[key].values if key in self.spreads else ()
        self.spreads[key] = Spread((*before, sample.value))

    def median(self, figure: str, adapter: str, at: str = "") -> float | None:
        """Return a median, ``None`` if it was not measured."""
        spread = self.spreads.get(Key(figure, adapter, at))
        return spread.median if spread else None

    def curve(self, figure: str, adapter: str) -> list[tuple[float, float]]:
        """Return the points of a scaling curve, whose ``at`` are numbers."""
        return sorted(
            (float(key.at), spread.median)
            for key, spread in self.spreads.items()
            if key[:2] == (figure, adapter)
        )


Figure = Callable[[Adapter], Iterable[Sample]]


def interleave(
    adapters: Sequence[str],
    figures: Sequence[Figure],
    rounds: int,
    load: Callable[[str], Adapter],
    say: Callable[[str], None],
    into: Measurements,
) -> None:
    """Take every figure of every adapter, round by round.

    An adapter that fails is left out from then on, and its error is kept.
    """
    for number in range(1, rounds + 1):
        for key in adapters:
            if key in into.errors:
                continue
            say(f"round {number} of {rounds}: {key}")
            try:
                adapter = load(key)
                for figure in figures:
                    for sample in figure(adapter):
                        into.add(key, sample)
                into.versions.update(adapter.versions())
                if not adapter.returns_early:
                    into.waiting.add(key)
            except Exception as error:
                into.errors[key] = f"{type(error).__name__}: {error}"
                say(f"{key} failed: {into.errors[key]}")


class Run(NamedTuple):
    """How many jobs took how long, in seconds."""

    jobs: int
    seconds: float

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.jobs / self.seconds


def long_enough(
    run: Callable[[int], float], seconds: float, first: int = 200, most: int = 1_000_000
) -> Run:
    """Return the last of a series of runs of growing size: one of at least ``seconds`` / 2.

    ``run(jobs)`` returns its duration. The runs before it are the warm-up.
    """
    jobs = min(first, most)
    while (taken := run(jobs)) < seconds / 2 and jobs < most:
        jobs = min(most, jobs * 8, max(2 * jobs, int(jobs * seconds / max(taken, 1e-9))))
    return Run(jobs, taken)


def timed(work: Callable[[], object]) -> float:
    """Return how long ``work()`` took, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and the 99th percentile."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


@contextmanager
def running(adapter: Adapter, workers: int = 2) -> Iterator[Adapter]:
    """The adapter's servers and workers, started and always stopped."""
    adapter.start(workers)
    try:
        yield adapter
    finally:
        adapter.stop()


def doubling(first: int, last: int, factor: int) -> Iterator[int]:
    """Yield ``first``, ``first`` × ``factor``, … up to ``last``."""
    while first <= last:
        yield first
        first *= factor
