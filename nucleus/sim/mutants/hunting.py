"""Hunting mutants: which seed gives one away, and how little of the run that takes."""

from collections.abc import Iterable
from dataclasses import dataclass

from nucleus.history.checker import check
from nucleus.history.history import History
from nucleus.history.shrink import shrink_history, shrink_run
from nucleus.sim.faults import ALL
from nucleus.sim.mutants.registry import MUTANTS
from nucleus.sim.plan import make_plan
from nucleus.sim.run import simulate

SEEDS = range(200)


@dataclass(frozen=True, slots=True)
class Catch:
    """A mutant that was caught."""

    mutant: str
    seed: int  # the first that gives it away
    plan: int  # entries of the shrunk plan
    observations: int  # of the shrunk history


def first_seed(mutant: str, seeds: Iterable[int] = SEEDS) -> int | None:
    """The first seed whose run breaks the invariant that is to catch ``mutant``."""
    return next((seed for seed in seeds if not _kept(mutant, _run(mutant, seed))), None)


def smallest_run(mutant: str, seed: int) -> History:
    """The run of ``seed`` with nothing in its plan that is not needed to catch ``mutant``."""
    size = len(make_plan(seed, ALL).items)
    run, _ = shrink_run(lambda kept: _run(mutant, seed, kept), size, MUTANTS[mutant].caught_by)
    return run


def catch(mutant: str) -> Catch | None:
    """Hunt ``mutant``, and shrink what gave it away."""
    seed = first_seed(mutant)
    if seed is None:
        return None
    run = smallest_run(mutant, seed)
    shown = shrink_history(run, MUTANTS[mutant].caught_by)
    return Catch(mutant, seed, len(run.kept or ()), len(shown.observations))


def _run(mutant: str, seed: int, kept: Iterable[int] | None = None) -> History:
    return simulate(seed, kept=kept, mutant=mutant).history


def _kept(mutant: str, history: History) -> bool:
    return check(history, [MUTANTS[mutant].caught_by]).ok
