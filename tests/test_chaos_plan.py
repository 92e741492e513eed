"""The plan of chaos: what breaks when, decided by a seed alone."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from nucleus.cluster.chaos.plan import CARDS, FAULTS, Planned, make_plan

PARTS = {
    "worker": ["worker-1", "worker-2", "worker-3", "worker-4"],
    "master": ["master"],
    "client": ["client-1", "client-2"],
    "monitoring": ["monitoring"],
    "dashboard": ["dashboard"],
}
TIMEOUT = 2.0


def plan(seed: int, seconds: float = 60.0, **options: object) -> list[Planned]:
    return make_plan(seed, seconds, PARTS, TIMEOUT, **options)  # type: ignore[arg-type]


def role(fault: Planned) -> str:
    return fault.target.partition("-")[0]


def test_the_same_seed_makes_the_same_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


@pytest.mark.parametrize("seed", range(20))
def test_twelve_seconds_are_enough_for_nearly_every_fault(seed: int) -> None:
    kinds = Counter((fault.how, role(fault)) for fault in plan(seed, 12.0))
    every = {(how, who) for how in FAULTS for who in CARDS[how]}
    assert len(every - kinds.keys()) <= 4


@pytest.mark.parametrize("seed", range(20))
def test_all_faults_are_over_when_the_time_is(seed: int) -> None:
    assert all(fault.at > 0 and fault.at + fault.lasts < 60.0 for fault in plan(seed))


@pytest.mark.parametrize("seed", range(20))
def test_a_part_has_one_fault_at_a_time(seed: int) -> None:
    faults = defaultdict(list)
    for fault in plan(seed):
        faults[fault.target].append(fault)
    for one in faults.values():
        assert all(a.free_again <= b.at for a, b in pairwise(one))


@pytest.mark.parametrize("seed", range(20))
def test_half_of_the_workers_have_no_fault(seed: int) -> None:
    faults = [fault for fault in plan(seed) if role(fault) == "worker"]
    for fault in faults:
        away = [f for f in faults if f.at <= fault.at < f.free_again]
        assert len(away) <= len(PARTS["worker"]) / 2


def test_workers_are_away_for_less_and_for_more_than_the_timeout() -> None:
    freezes = [f.lasts for f in plan(1, 600.0) if f.how == "freeze" and role(f) == "worker"]
    assert min(freezes) < 0.8 * TIMEOUT and max(freezes) > 1.1 * TIMEOUT


def test_a_frozen_master_is_clearly_below_or_above_what_counts_as_standing_still() -> None:
    freezes = [f.lasts for f in plan(1, 600.0) if (f.how, f.target) == ("freeze", "master")]
    assert freezes and all(lasts <= 1.2 or lasts >= 2.6 for lasts in freezes)


def test_only_the_faults_that_were_asked_for_are_planned() -> None:
    assert {fault.how for fault in plan(1, faults=("freeze", "drop"))} == {"freeze", "drop"}
    assert plan(1, faults=()) == []


def test_parts_that_are_not_there_are_not_broken() -> None:
    alone = make_plan(1, 60.0, {"worker": ["worker-1", "worker-2"]}, TIMEOUT)
    assert {role(fault) for fault in alone} == {"worker"}
