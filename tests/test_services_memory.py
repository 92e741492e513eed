"""The garbage collector, while millions of objects are made (``services/common/memory.py``)."""

import gc
from collections.abc import Iterator

import pytest

from nucleus.services.common.memory import (
    MANY,
    YOUNG,
    expect_many,
    keep_out,
    no_collection,
)
from tests.support import running_master


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.enable()
    gc.unfreeze()


def test_nothing_is_collected_meanwhile_and_again_afterwards() -> None:
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(RuntimeError), no_collection():
        raise RuntimeError
    assert gc.isenabled()


def test_a_collector_that_was_switched_off_stays_off() -> None:
    gc.disable()
    with no_collection():
        pass
    assert not gc.isenabled()


def test_a_process_of_its_own_is_looked_through_less_often() -> None:
    expect_many()
    assert gc.get_threshold()[0] == YOUNG


def test_a_master_inside_another_program_leaves_its_collector_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nucleus.services.common.memory.MANY", 0)
    before = gc.get_threshold()
    gc.unfreeze()
    with running_master():
        assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_many_objects_are_kept_out_of_collections_and_few_are_not() -> None:
    gc.unfreeze()
    keep_out(MANY - 1)
    assert gc.get_freeze_count() == 0
    keep_out(MANY)
    assert gc.get_freeze_count() > 0
