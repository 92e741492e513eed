"""Shrinking: the smallest history, or the smallest plan, that still breaks the same promise.

Both use delta debugging (``ddmin``; Zeller and Hildebrandt, *Simplifying and Isolating
Failure-Inducing Input*, 2002): leave out ever smaller parts for as long as what is left still
fails. Nothing is left out of the result that could be: each single thing in it is needed.

- :func:`shrink_history` projects a recorded history on fewer jobs, workers and faults;
- :func:`shrink_run` has a simulation run again with less of its plan.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from nucleus.core.events import JobLeased, JobSubmitted
from nucleus.history.checker import check
from nucleus.history.history import History, Tables
from nucleus.history.invariants import Breach
from nucleus.history.observations import (
    Committed,
    Observation,
    Submitted,
    Told,
    Voided,
)
from nucleus.history.replay import Replay

Item = TypeVar("Item")
Unit = tuple[Hashable, ...]


def ddmin(items: Sequence[Item], fails: Callable[[list[Item]], bool]) -> list[Item]:
    """A smallest part of ``items``, in order, for which ``fails`` still holds.

    ``fails(list(items))`` holds to begin with, and gives the same answer each time.
    """
    left, parts = list(items), 2
    if left and fails([]):
        return []
    while len(left) > 1:
        size = -(-len(left) // parts)
        starts = range(0, len(left), size)
        smaller = next(
            (rest for start in starts if fails(rest := left[:start] + left[start + size :])), None
        )
        if smaller is not None:
            left, parts = smaller, max(parts - 1, 2)
        elif size == 1:
            return left
        else:
            parts = min(2 * parts, len(left))
    return left


# ---- a simulated run ------------------------------------------------------------------


def shrink_run(
    run: Callable[[Collection[int]], History], size: int, invariant: str
) -> tuple[History, list[int]]:
    """Leave out what is not needed of a plan with ``size`` entries.

    ``run`` runs the world with the entries it is given. Return the smallest run that breaks
    ``invariant``, and the entries that it needs.
    """
    kept = ddmin(range(size), lambda some: not check(run(some), [invariant]).ok)
    return run(kept), kept


# ---- a recorded history ---------------------------------------------------------------


def shrink_history(history: History, invariant: str) -> History:
    """Leave out what came after a breach, then jobs, workers and the rest that it does not need.

    The first breach of ``invariant`` stays what it is, word for word.
    """
    breach = check(history, [invariant]).results[invariant].breaches[0]
    units = dict.fromkeys(_units(history))
    left = replace(history, settings={**history.settings, "whole": Replay(history).whole})
    before = replace(left, observations=[o for o in left.observations if o.at <= breach.at])
    if _breaks(before, invariant, breach):
        left = before
    for kind in ("job", "worker", "rest"):
        left = _shrink_kind(left, [u for u in units if u[0] == kind], invariant, breach)
    return left


def _shrink_kind(history: History, units: list[Unit], invariant: str, breach: Breach) -> History:
    def without(kept: Iterable[Unit]) -> History:
        return _without(history, set(units).difference(kept))

    return without(ddmin(units, lambda kept: _breaks(without(kept), invariant, breach)))


def _breaks(history: History, invariant: str, breach: Breach) -> bool:
    found = check(history, [invariant]).results[invariant].breaches
    return _words(breach) in map(_words, found)


def _words(breach: Breach) -> tuple[str, ...]:
    return breach.what, breach.job, breach.worker, breach.client


def _without(history: History, gone: set[Unit]) -> History:
    """The history without what belongs to these units."""
    pairs = zip(history.observations, _units(history), strict=True)
    observations = [seen for seen, unit in pairs if unit not in gone]
    tables = history.tables
    if tables is not None:
        rows = tuple(row for row in tables.rows if ("job", row["id"]) not in gone)
        tables = Tables(rows, tables.totals)
    return replace(history, observations=observations, tables=tables)


def _units(history: History) -> list[Unit]:
    """What each observation belongs to: it goes only together with the rest of that."""
    jobs: dict[Hashable, str] = {}  # by lease, and by submit
    for seen in history.events():
        if isinstance(seen.event, JobLeased):
            jobs[seen.event.seq] = seen.event.job_id
        elif isinstance(seen.event, JobSubmitted):
            jobs[seen.event.client, seen.event.client_seq] = seen.event.job_id
    return [_unit(seen, jobs) for seen in history.observations]


def _unit(seen: Observation, jobs: dict[Hashable, str]) -> Unit:
    about = seen.event if isinstance(seen, Committed) else seen
    if isinstance(seen, Submitted | Told):
        submit = seen.client, seen.client_seq
        return ("job", jobs.get(submit) or submit)
    if isinstance(seen, Voided) and seen.lease in jobs:
        return ("job", jobs[seen.lease])
    if job := getattr(about, "job_id", ""):
        return ("job", job)
    if worker := getattr(about, "worker", ""):
        return ("worker", worker)
    return ("rest", type(about).__name__, id(about))
