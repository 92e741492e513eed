"""The garbage collector, kept away from millions of objects that are no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 100_000  # objects; fewer cost the collector next to nothing
YOUNG = 100_000  # objects made and not let go before the collector looks; Python's 700 cost 7 %


@contextmanager
def no_collection() -> Iterator[None]:
    """Make many objects that all stay, without looking through them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def expect_many() -> None:
    """Let the collector of this process look less often: what a queue makes is no garbage.

    For a process of one's own only, like :func:`keep_out`; a notebook keeps its habits.
    """
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def keep_out(objects: int) -> None:
    """Let the collector ignore all there is now, so many objects among it.

    They are let go as ever when nobody refers to them. Cycles among them stay for good, also
    those that become garbage later, so this is done where there is much to be gained, and
    never to objects of somebody else.
    """
    if objects >= MANY:
        gc.freeze()
