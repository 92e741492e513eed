"""The garbage collector, kept away from millions of objects that are no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 100_000  # objects; fewer cost the collector next to nothing


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


def keep_out(objects: int) -> None:
    """Let the collector ignore all there is now, so many objects among it.

    They are let go as ever when nobody refers to them. Cycles among them stay for good, also
    those that become garbage later, so this is done where there is much to be gained.
    """
    if objects >= MANY:
        gc.freeze()
