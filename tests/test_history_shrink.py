"""Shrinking: what is left still fails, and nothing can be left out of it."""

from hypothesis import given
from hypothesis import strategies as st

from nucleus.history import History
from nucleus.history.checker import check
from nucleus.history.observations import Fault
from nucleus.history.shrink import ddmin, shrink_history, shrink_run
from tests.history_support import Scribe

CULPRITS = st.sets(st.integers(0, 40), max_size=5)


@given(size=st.integers(1, 41), culprits=CULPRITS)
def test_ddmin_finds_exactly_what_is_needed(size: int, culprits: set[int]) -> None:
    culprits &= set(range(size))
    assert ddmin(range(size), lambda some: culprits <= set(some)) == sorted(culprits)


@given(items=st.lists(st.integers(0, 9), max_size=30), least=st.integers(0, 12))
def test_each_thing_that_ddmin_leaves_is_needed(items: list[int], least: int) -> None:
    def fails(some: list[int]) -> bool:
        return sum(some) >= least

    if fails(items):
        left = ddmin(items, fails)
        assert fails(left)
        assert not any(fails(left[:place] + left[place + 1 :]) for place in range(len(left)))


def test_ddmin_asks_far_fewer_times_than_there_are_subsets() -> None:
    asked: list[int] = []

    def fails(some: list[int]) -> bool:
        asked.append(len(some))
        return {3, 900} <= set(some)

    assert ddmin(range(1000), fails) == [3, 900]
    assert len(asked) < 150


def a_busy_history() -> History:
    """Ten jobs that are all right, two whose results were swapped, and a fault."""
    scribe = Scribe()
    for _ in range(5):
        scribe.whole_life()
    for job in (scribe.submit(), scribe.submit()):
        scribe.complete(job, scribe.lease(job), result="8")
    scribe.see(Fault(scribe.now, None, "crash", "w"))
    for _ in range(5):
        scribe.whole_life()
    return scribe.history


def test_a_history_is_left_with_the_job_of_the_first_breach() -> None:
    history = a_busy_history()
    small = shrink_history(history, "results-come-from-the-holder")
    before, after = (check(h).results["results-come-from-the-holder"] for h in (history, small))
    assert [breach.what for breach in after.breaches] == [before.breaches[0].what]
    assert len(small.observations) < 10 < len(history.observations)
    assert {breach.job for breach in after.breaches} == {"a-0000000018"}
    assert not any(isinstance(seen, Fault) for seen in small.observations)


def test_what_came_after_the_breach_is_left_out() -> None:
    history = a_busy_history()
    broke = check(history).results["results-come-from-the-holder"].breaches[0].at
    small = shrink_history(history, "results-come-from-the-holder")
    assert small.observations[-1].at == broke
    assert history.observations[-1].at > broke


def test_what_a_breach_speaks_of_stays_in_a_shrunk_history() -> None:
    scribe = Scribe()
    scribe.whole_life()
    first, second = scribe.submit(), scribe.submit()
    scribe.complete(second, scribe.lease(second))
    scribe.complete(first, scribe.lease(first))
    small = shrink_history(scribe.history, "first-in-is-first-out")
    told = check(small, ["first-in-is-first-out"]).results["first-in-is-first-out"].breaches[0]
    assert told.what == (
        "job 7 (priority 0, in line) was leased before job 6 (priority 0, in line)"
    )


def test_a_plan_is_left_with_the_entries_that_matter() -> None:
    def run(kept: object) -> History:
        assert isinstance(kept, list)
        scribe = Scribe()
        for entry in kept:
            job = scribe.submit()
            scribe.complete(job, scribe.lease(job), result="8" if entry == 17 else "7")
        return scribe.history

    history, kept = shrink_run(run, 40, "results-come-from-the-holder")
    assert kept == [17]
    assert not check(history).ok
