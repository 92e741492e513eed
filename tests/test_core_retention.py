"""What may go of the past (``nucleus/core/retention.py``)."""

from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleus.core.retention import CHARACTERS, PACE, STEP, Departure, Past, Retention, weight

NOW = 1_000_000.0
SEQ, AT, ENDED = range(3)  # places in a Past


def events(*ended: int, characters: int = 0) -> list[Past]:
    """Events from seq 1 on, one a second; each ends the job with this number, 0 for none."""
    return [(seq, NOW + seq, job, characters) for seq, job in enumerate(ended, start=1)]


def ended_in(past: list[Past]) -> int:
    """How many jobs these events ended."""
    return sum(1 for event in past if event[ENDED])


def let_go(retention: Retention, past: list[Past], now: float, added: int = 0) -> Departure:
    return retention.let_go(past, now, ended_in(past), len(past) + 1, added)


def test_what_is_within_its_age_stays() -> None:
    past = events(0, 0, 1, 0)
    gone = let_go(Retention(age=10.0), past, NOW + 12.0)
    assert gone == Departure(first_seq=2, oldest=NOW + 2, ended=())


def test_with_the_event_that_ended_a_job_goes_the_job() -> None:
    past = events(0, 0, 7, 0, 8)
    assert let_go(Retention(age=10.0), past, NOW + 13.5).ended == (7,)


def test_when_everything_goes_the_next_event_is_the_first() -> None:
    past = events(0, 0, 1)
    assert let_go(Retention(age=1.0), past, NOW + 100) == Departure(4, inf, (1,))


def test_ended_jobs_above_the_number_kept_go_and_what_is_older_with_them() -> None:
    past = events(0, 1, 0, 2, 0, 3, 0)
    gone = let_go(Retention(jobs=1), past, NOW)
    assert gone == Departure(first_seq=5, oldest=NOW + 5, ended=(1, 2))


def test_events_above_the_number_kept_go() -> None:
    gone = let_go(Retention(events=2), events(0, 5, 0, 0), NOW)
    assert gone == Departure(first_seq=3, oldest=NOW + 3, ended=(5,))


@pytest.mark.parametrize("retention", [Retention(), Retention(age=inf, jobs=1)])
def test_nothing_goes_that_need_not(retention: Retention) -> None:
    past = events(0, 0, 1)
    assert let_go(retention, past, NOW + 1_000) == Departure(1, NOW + 1, ())


def test_no_more_is_read_than_goes() -> None:
    def oldest() -> Iterator[Past]:
        yield 1, NOW, 0, 0
        yield 2, NOW + 50, 0, 0
        raise AssertionError("an event too many was read")

    assert Retention(age=60.0).let_go(oldest(), NOW + 61, 0, 99, 0).first_seq == 2


def test_a_step_is_in_proportion_to_what_is_added() -> None:
    past = events(*[0] * 5_000)
    for added in (0, 1, 100):
        gone = let_go(Retention(events=0), past, NOW, added)
        assert gone.first_seq - 1 == STEP + PACE * added


def test_a_long_text_weighs_as_much_as_many_events() -> None:
    past = events(*[0] * 5_000, characters=100 * CHARACTERS)
    gone = let_go(Retention(events=0), past, NOW)
    assert gone.first_seq - 1 == -(-STEP // weight(1, 100 * CHARACTERS)) == 5


def test_a_text_that_is_longer_than_a_step_goes_in_one() -> None:
    past = events(1, 2, characters=10 * STEP * CHARACTERS)
    assert let_go(Retention(jobs=0), past, NOW).ended == (1,)


@given(
    past=st.lists(st.tuples(st.floats(0, 50), st.booleans(), st.integers(0, 10**6)), max_size=60),
    age=st.floats(0, 100),
    jobs=st.integers(0, 30),
    bound=st.integers(0, 60),
)
def test_steps_lead_to_what_is_kept_and_no_further(
    past: list[tuple[float, bool, int]], age: float, jobs: int, bound: int
) -> None:
    retention = Retention(age, jobs, bound)
    at = NOW
    left: list[Past] = []
    for seq, (pause, ended, characters) in enumerate(past, start=1):
        at += pause
        left.append((seq, at, seq if ended else 0, characters))
    next_seq = len(left) + 1
    now = at

    def exceeded() -> bool:
        first = left[0][AT] if left else inf
        return retention.exceeded(first, now, ended_in(left), len(left))

    while exceeded():
        gone = retention.let_go(left, now, ended_in(left), next_seq, 0)
        kept = [event for event in left if event[SEQ] >= gone.first_seq]
        assert len(kept) < len(left), "a step always leads on"
        dropped = left[: len(left) - len(kept)]
        assert gone.ended == tuple(event[ENDED] for event in dropped if event[ENDED])
        before = left[len(dropped) - 1 :]
        still = before[0][AT], now, ended_in(before), len(before)
        assert retention.exceeded(*still), "and no further"
        left = kept
        assert gone.oldest == (left[0][AT] if left else inf)
