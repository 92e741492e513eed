"""What the ledger asks about job types."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

Check: TypeAlias = Callable[[str], str | None]


class Catalog(Protocol):
    """The job types that a master knows without having met a worker."""

    def names(self) -> Iterable[str]:
        """Their names."""

    def checker(self, job_type: str) -> Check:
        """What says what is wrong with a payload (JSON text) for ``job_type``, or ``None``."""

    def check_result(self, result: str) -> str | None:
        """What is wrong with ``result``, which should be JSON text, or ``None``."""
