"""The manual clock, the tree of errors, and the texts of refusals."""

import pytest

from nucleus.core import errors
from nucleus.core.clock import Clock, ManualClock
from nucleus.core.errors import InvalidArgument, LedgerLost, NotFound, NucleusError, Unavailable
from nucleus.core.refusals import MAX_SHOWN, Reason, invalid, shorten


def test_the_manual_clock_stands_still_until_it_is_advanced() -> None:
    clock: Clock = ManualClock(100.0)
    assert (clock.now(), clock.now()) == (100.0, 100.0)


def test_advancing_returns_the_new_time() -> None:
    clock = ManualClock(100.0)
    assert clock.advance(2.5) == 102.5
    assert clock.advance(0) == clock.now() == 102.5


def test_time_only_goes_forward() -> None:
    clock = ManualClock(100.0)
    with pytest.raises(ValueError, match=r"-0\.5 is not allowed; time only goes forward"):
        clock.advance(-0.5)
    assert clock.now() == 100.0


def test_every_error_belongs_to_the_one_tree() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, NucleusError) for kind in kinds)


def test_an_error_says_whether_the_thing_definitely_did_not_happen() -> None:
    assert InvalidArgument("x").definite
    assert not Unavailable("x").definite
    assert not LedgerLost("x").definite
    assert not NucleusError("x", definite=False).definite
    assert Unavailable("x", definite=True).definite
    assert not Unavailable("y").definite, "one error does not change the others"


def test_an_error_shows_its_message_as_it_is() -> None:
    assert str(NotFound("job_id: 'x' is not known here")) == "job_id: 'x' is not known here"


def test_a_refusal_names_the_field_the_value_and_what_is_allowed() -> None:
    refusal = invalid("slots", 0, "an integer from 1 on")
    assert refusal.reason is Reason.INVALID
    assert refusal.message == "slots: 0 is not allowed; an integer from 1 on"


@pytest.mark.parametrize("value", ["x" * 10_000, "\n" * 10_000, list(range(10_000)), "é" * 61])
def test_a_long_value_is_shortened(value: object) -> None:
    assert len(shorten(value)) == MAX_SHOWN
    assert shorten(value).endswith("…")


@pytest.mark.parametrize("value", ["short", 12, None, "x" * 58])
def test_a_short_value_is_shown_whole(value: object) -> None:
    assert shorten(value) == repr(value)
