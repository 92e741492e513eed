"""How the core declares what never changes once it is made."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def fact(cls: type[T]) -> type[T]:
    """A dataclass with slots that nobody may change: the type checker refuses it.

    ``dataclass(frozen=True)`` would refuse it at run time as well, and make each object six
    times slower to construct; a queue constructs three or four for every job.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
