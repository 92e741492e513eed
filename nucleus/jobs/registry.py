"""The explicit list of job types: a name, a function, and a check of its payload.

* ``JobType``     one entry
* ``Registry``    the entries by name; ``check`` says what is wrong with a payload
* ``Between``     bounds on a number, for a schema
* ``job_type``    the decorator that adds a function to the default registry
* ``load_modules``  import the modules whose decorators add more

A payload is checked where a job enters the system, against the entry's schema. The schema
is anything that pydantic's ``TypeAdapter`` takes, and is read strictly: ``"30"``, ``30.0``
and ``true`` are not the integer 30. The function is then called with the plain JSON value.

Do not import pydantic at the top of this module: every child process imports it, and
starts ten times slower with pydantic.
"""

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from nucleus.core.checks import MAX_NAME
from nucleus.core.errors import InvalidArgument
from nucleus.jobs.payload import parse_payload, shorten

if TYPE_CHECKING:
    from pydantic import TypeAdapter

JobFunction = Callable[[Any], Any]
"""Takes the payload as a plain JSON value; returns the result as one, or raises."""

F = TypeVar("F", bound=Callable[[Any], Any])

_NAME = re.compile(rf"[\w.-]{{1,{MAX_NAME}}}")


@dataclass(frozen=True, slots=True)
class JobType:
    """One kind of job that workers can run."""

    name: str  # 1 to MAX_NAME letters, digits, "_", "." or "-"; it becomes a metric's label
    function: JobFunction
    allowed: str = "any JSON value"  # completes the sentence "Fibonacci takes …"
    schema: Any = Any  # what pydantic's TypeAdapter takes
    example: Any = None  # a payload that passes the check, as a JSON value
    kills_process: bool = False  # refused where jobs share a process with the worker


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds on a number, both included: ``Annotated[int, Between(0, 45)]``.

    The same as pydantic's ``Field(ge=0, le=45)``, for modules that children import: it
    does without pydantic until a payload is checked.
    """

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {**handler(source), "ge": self.low, "le": self.high}


class Registry:
    """Job types by name."""

    def __init__(self) -> None:
        self._types: dict[str, JobType] = {}
        self._adapters: dict[str, TypeAdapter[Any]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def names(self) -> tuple[str, ...]:
        """Return every name, sorted."""
        return tuple(sorted(self._types))

    def get(self, name: str) -> JobType:
        """Return the job type called ``name``; raises InvalidArgument that lists the known."""
        found = self._types.get(name)
        if found is None:
            known = ", ".join(self.names()) or "none"
            raise InvalidArgument(
                f"job_type: {shorten(name) or 'an empty name'} is not known; known are {known}"
            )
        return found

    def register(self, job_type: JobType) -> None:
        """Add ``job_type``; raises InvalidArgument for a bad name and for a duplicate.

        The same function defined again, as by a notebook cell that is run twice, is no
        duplicate: the newer definition takes the place of the older one.
        """
        if not _NAME.fullmatch(job_type.name):
            raise InvalidArgument(
                f"job_type: {shorten(job_type.name) or 'an empty name'} is not allowed; a name"
                f" is 1 to {MAX_NAME} letters, digits, '_', '.' or '-'"
            )
        present = self._types.get(job_type.name)
        if present is not None and _origin(present) != _origin(job_type):
            raise InvalidArgument(
                f"job_type: {job_type.name} is registered already, by {_origin(present)}"
            )
        self._types[job_type.name] = job_type
        self._adapters.pop(job_type.name, None)

    def check(self, job_type: str, payload_json: str) -> str | None:
        """Return what is wrong with this payload for this type, or None if it is allowed.

        The text reads ``payload: -1 is not allowed; Fibonacci takes an integer from 0 to
        45``, and begins with ``job_type:`` when the type is not known.
        """
        try:
            return self.checker(job_type)(payload_json)
        except InvalidArgument as error:
            return str(error)

    def checker(self, job_type: str) -> Callable[[str], str | None]:
        """Return what :meth:`check` asks, for many payloads of one type.

        Raises InvalidArgument when the type is not known.
        """
        known = self.get(job_type)

        def check(payload_json: str) -> str | None:
            problem = self._problem(known, payload_json)
            return problem and f"payload: {problem}; {known.name} takes {known.allowed}"

        return check

    def json_schema(self, name: str) -> dict[str, Any]:
        """Return the JSON schema of the payload of the type called ``name``."""
        job_type = self.get(name)
        words = f"{name} takes {job_type.allowed}"
        schema = self._adapter(job_type).json_schema()
        return {**schema, "description": words, "examples": [job_type.example]}

    def _problem(self, job_type: JobType, payload_json: str) -> str | None:
        try:
            parse_payload(payload_json)
        except ValueError as error:
            return str(error)
        if job_type.schema is Any:
            return None
        try:
            self._adapter(job_type).validate_json(payload_json, strict=True)
        except Exception as error:  # a stranger's check may raise whatever it likes
            from pydantic import ValidationError

            shown = shorten(payload_json.strip())
            if isinstance(error, ValidationError):
                return f"{shown} is not allowed"
            return f"{shown} cannot be checked ({error!r})"
        return None

    def _adapter(self, job_type: JobType) -> "TypeAdapter[Any]":
        adapter = self._adapters.get(job_type.name)
        if adapter is None:
            from pydantic import TypeAdapter

            adapter = self._adapters[job_type.name] = TypeAdapter(job_type.schema)
        return adapter


_DEFAULT = Registry()


def default_registry() -> Registry:
    """Return the registry that ``job_type`` fills: the shipped types, and yours."""
    return _DEFAULT


def job_type(
    name: str,
    *,
    payload: Any = Any,
    allowed: str | None = None,
    example: Any = None,
    kills_process: bool = False,
) -> Callable[[F], F]:
    """Register the decorated function in the default registry, and return it unchanged.

    ``payload`` is what pydantic's ``TypeAdapter`` takes; ``allowed`` says the same in words
    that complete "Collatz takes …"; ``example`` is one payload that passes.
    """

    def register(function: F) -> F:
        _DEFAULT.register(
            JobType(
                name=name,
                function=function,
                allowed=_words(payload) if allowed is None else allowed,
                schema=payload,
                example=example,
                kills_process=kills_process,
            )
        )
        return function

    return register


def load_modules(modules: Iterable[str]) -> None:
    """Import modules, so that their decorators register their job types.

    Modules in the current folder are found too. Raises InvalidArgument that names the
    module which cannot be imported.
    """
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)  # A console script does not look here by itself.
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # Whatever a stranger's module raises.
            problem = f"{type(error).__name__}: {error}"
            raise InvalidArgument(f"jobs: {name} cannot be imported: {problem}") from error


def _words(schema: Any) -> str:
    if schema is Any:
        return "any JSON value"
    return f"a payload of the type {getattr(schema, '__name__', schema)}"


def _origin(job_type: JobType) -> str:
    function = job_type.function
    module = getattr(function, "__module__", "?")
    return f"{module}.{getattr(function, '__qualname__', repr(function))}"
