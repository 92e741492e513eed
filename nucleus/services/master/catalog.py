"""The job types a master knows, as the ledger asks about them."""

from collections.abc import Iterable

from nucleus.core.catalog import Check
from nucleus.jobs import Registry, parse_payload


class RegistryCatalog:
    """A registry; of a type that only workers know, it is checked that the payload is JSON."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        for name in registry.names():
            registry.check(name, "null")  # loads what checks need, before anybody waits for one

    def names(self) -> Iterable[str]:
        """The names of the registered types."""
        return self._registry.names()

    def checker(self, job_type: str) -> Check:
        """What says what is wrong with a payload, or ``None``."""
        if job_type in self._registry:
            return self._registry.checker(job_type)

        def check(payload: str) -> str | None:
            try:
                parse_payload(payload)
            except ValueError as error:
                return f"payload: {error}; {job_type} takes a JSON value"
            return None

        return check

    def check_result(self, result: str) -> str | None:
        """What is wrong with ``result``, or ``None``; it has the limits of a payload."""
        try:
            parse_payload(result)
        except ValueError as error:
            return f"result: {error}; a result is JSON text"
        return None

    def allowed(self, job_type: str) -> str:
        """What the payload may be, in words."""
        if job_type in self._registry:
            return self._registry.get(job_type).allowed
        return "what its workers take"
