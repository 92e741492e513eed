"""Many seeds: run each, have the checker judge it, and add up what was exercised."""

import signal
import time
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool

from nucleus.history.checker import Account, Outcome, check
from nucleus.sim.faults import ALL
from nucleus.sim.run import simulate

CHUNK = 10  # seeds that a process takes at a time
START = 60.0  # seconds that a process may take to begin


@dataclass(slots=True)
class Tally:
    """What happened in one or many runs."""

    seeds: int = 0
    steps: int = 0  # entries of the agenda that were carried out
    seconds: float = 0.0  # simulated
    work: float = 0.0  # seconds of one core, without judging
    fired: Counter[str] = field(default_factory=Counter)  # faults by kind
    seen: Counter[str] = field(default_factory=Counter)  # what came of them
    cases: Counter[str] = field(default_factory=Counter)  # judged, by invariant
    account: Account = field(default_factory=Account)  # of their submits
    broken: dict[int, tuple[str, ...]] = field(default_factory=dict)  # seed -> invariants

    def add(self, other: "Tally") -> None:
        """Add what happened elsewhere."""
        self.seeds += other.seeds
        self.steps += other.steps
        self.seconds += other.seconds
        self.work += other.work
        self.account += other.account
        for mine, others in (
            (self.fired, other.fired),
            (self.seen, other.seen),
            (self.cases, other.cases),
        ):
            mine.update(others)
        self.broken.update(other.broken)

    @property
    def unknown(self) -> list[str]:
        """The invariants that no run put to the test."""
        return [name for name, cases in self.cases.items() if not cases]


def run_seed(seed: int, faults: frozenset[str] = ALL, mutant: str = "") -> Tally:
    """Run one seed, and judge it."""
    began = time.process_time()
    run = simulate(seed, faults=faults, mutant=mutant)
    work = time.process_time() - began
    verdict = check(run.history)
    cases = Counter({name: result.cases for name, result in verdict.results.items()})
    broken = tuple(result.invariant.name for result in verdict.having(Outcome.FAIL))
    failed = {seed: broken} if broken else {}
    counts = run.fired, run.seen, cases
    return Tally(1, run.steps, run.seconds, work, *counts, verdict.account, failed)


def run_seeds(seeds: Iterable[int], faults: frozenset[str] = ALL, mutant: str = "") -> Tally:
    """Run many seeds, one after the other."""
    tally = Tally()
    for seed in seeds:
        tally.add(run_seed(seed, faults, mutant))
    return tally


def sweep(
    seeds: range, faults: frozenset[str], mutant: str, jobs: int
) -> Generator[Tally, None, None]:
    """Run many seeds in ``jobs`` processes; yield what each chunk of them came to.

    Leaving the iteration, also by Ctrl-C, ends the processes at once.
    """
    chunks = [seeds[begin : begin + CHUNK] for begin in range(0, len(seeds), CHUNK)]
    run = partial(run_seeds, faults=faults, mutant=mutant)
    if jobs == 1:
        yield from map(run, chunks)
        return
    with _pool(min(jobs, len(chunks))) as pool:
        yield from pool.imap(run, chunks)  # in order, so the first failure is the lowest seed


def _pool(size: int) -> Pool:
    """Processes that have all begun; one that is ended while it begins complains of it.

    They leave Ctrl-C to the process that began the sweep, which answers to it from then on.
    """
    context = get_context("spawn")
    begun = context.Barrier(size + 1)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # they inherit it
    try:
        pool = context.Pool(size, begun.wait, (START,))
        begun.wait(START)
        return pool
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
