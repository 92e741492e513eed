"""What the ledger asks about job types."""

from collections.abc import Iterable
from typing import Protocol


class Catalog(Protocol):
    """The job types that a master knows without having met a worker."""

    def names(self) -> Iterable[str]:
        """Their names."""

    def check(self, job_type: str, payload: str) -> str | None:
        """What is wrong with ``payload`` (JSON text) for ``job_type``, or ``None``."""

    def check_result(self, result: str) -> str | None:
        """What is wrong with ``result``, which should be JSON text, or ``None``."""
