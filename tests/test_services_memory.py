"""The garbage collector, while millions of objects are made (``services/common/memory.py``)."""

import gc
from collections.abc import Iterator

import pytest

from nucleus.services.common.memory import MANY, keep_out, no_collection


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
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


def test_many_objects_are_kept_out_of_collections_and_few_are_not() -> None:
    gc.unfreeze()
    keep_out(MANY - 1)
    assert gc.get_freeze_count() == 0
    keep_out(MANY)
    assert gc.get_freeze_count() > 0
