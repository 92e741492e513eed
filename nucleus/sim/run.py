"""One simulated run: a cluster, its work, a spell of bad weather, calm, and a history."""

import gc
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from nucleus.core.rules import OURS, Rules
from nucleus.history.history import History
from nucleus.sim.cluster import Cluster
from nucleus.sim.faults import ALL
from nucleus.sim.loop import on_loops
from nucleus.sim.mutants import MUTANTS
from nucleus.sim.outcomes import outcomes
from nucleus.sim.plan import Plan, make_plan
from nucleus.sim.seams import simulated
from nucleus.sim.world import START, World

AFTERWARDS = 3.0  # seconds for the last reads


@dataclass(frozen=True, slots=True)
class Run:
    """What happened."""

    history: History
    fired: Counter[str]  # faults by kind
    seen: Counter[str]  # what came of it
    steps: int  # entries of the agenda that were carried out
    seconds: float  # simulated


class _Bugs(logging.Handler):
    """Writes down what the shells log as errors with a traceback: bugs that ended a duty."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._world.raised(record.name, record.exc_info[1])


@contextmanager
def _quietly(world: World) -> Iterator[None]:
    """Keep the shells' log off the screen, and the collector from running at odd moments.

    What is collected closes the calls of dead processes, which must not depend on when.
    """
    logger = logging.getLogger("nucleus")
    before, bugs = logger.propagate, _Bugs(world)
    logger.propagate = False
    logger.addHandler(bugs)
    enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            # What a dying process had not begun is never awaited.
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        logger.removeHandler(bugs)
        logger.propagate = before
        if enabled:
            gc.enable()


def simulate(
    seed: int,
    *,
    faults: frozenset[str] = ALL,
    kept: Iterable[int] | None = None,
    mutant: str = "",
    plan: Plan | None = None,
    rules: Rules = OURS,
) -> Run:
    """Run the world of ``seed``, with all of its plan or only the items that are ``kept``.

    ``mutant`` names the known-wrong code to run in place of the real one, ``plan`` is one of
    the caller's own, and ``rules`` are what the ledger goes by.
    """
    left = kept if kept is None else frozenset(kept)
    with MUTANTS[mutant].installed() if mutant else nullcontext():
        run = _simulate(World(seed), plan or make_plan(seed, faults), left, rules)
    if plan is None and rules == OURS:  # else the seed alone does not tell the story again
        run.history.settings["faults"] = sorted(faults)
    run.history.mutant = mutant
    return run


def _simulate(world: World, plan: Plan, kept: frozenset[int] | None, rules: Rules) -> Run:
    with _quietly(world):
        with simulated(world.channels.__getitem__), on_loops():
            _live(world, plan, kept, rules)
        world.forget()
        gc.collect(0)  # what is left of this run, and while nobody listens
    history = world.history
    history.kept = None if kept is None else tuple(sorted(kept))
    seen = world.came_of_it + outcomes(history)
    return Run(history, world.fired, seen, world.steps, world.now - START)


def _live(world: World, plan: Plan, kept: frozenset[int] | None, rules: Rules) -> None:
    cluster = Cluster(world, plan, rules)
    cluster.schedule(kept)
    world.run(START + plan.storm)
    latest = world.now + plan.calm
    _drain(world, cluster, latest)
    cluster.last_look()
    world.run(world.now + AFTERWARDS)
    _drain(world, cluster, latest)
    world.history.drained = True  # there was time enough for everything
    world.history.tables = cluster.disk.tables()
    world.history.settings["worker_timeout"] = cluster.limits.worker_timeout
    cluster.close()


def _drain(world: World, cluster: Cluster, latest: float) -> None:
    """Wait until every job has ended, or for so long that one never will."""
    while not cluster.quiet and world.now < latest:
        world.run(world.now + 1.0)
