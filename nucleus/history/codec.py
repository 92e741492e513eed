"""Facts as JSON objects and back, read from the annotations of their fields.

An object has the name of its class in ``is`` and a member for each field. Reading checks
every value against the field's type, so that a damaged or mistyped file is refused with the
name of the field, and not believed.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from nucleus.core.errors import NucleusError

Read = Callable[[Any], Any]


class BadField(NucleusError):
    """A value is not what its field takes; the message names both."""


# ---- writing --------------------------------------------------------------------------


def encode(value: Any) -> Any:
    """``value`` as JSON: numbers, texts, enums by name, dataclasses, and tuples of these."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if is_dataclass(kind):
        names, get = _fields(kind)
        return {"is": kind.__name__, **dict(zip(names, map(encode, get(value)), strict=True))}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {name: encode(item) for name, item in value.items()}
    return value.name  # an enum


_PLAIN = frozenset({str, int, float, bool, NoneType})


@cache
def _fields(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind))
    if len(names) == 1:
        return names, lambda value: (getattr(value, names[0]),)
    return names, attrgetter(*names)


# ---- reading --------------------------------------------------------------------------


def decode(value: Any, kinds: Mapping[str, type]) -> Any:
    """Make the fact of one of ``kinds`` that ``value`` describes; raise :class:`BadField`."""
    if not isinstance(value, dict):
        raise BadField(f"{value!r:.60} is not allowed; an object")
    kind = kinds.get(value.get("is", ""))
    if kind is None:
        known = ", ".join(kinds)
        raise BadField(f"is: {value.get('is')!r:.60} is not allowed; one of {known}")
    readers, required = _members(kind)
    members = {}
    for name, item in value.items():
        if name == "is":
            continue
        if name not in readers:
            raise BadField(f"{name}: {kind.__name__} has no such field")
        try:
            members[name] = readers[name](item)
        except BadField as error:
            raise BadField(f"{name}: {error}") from error
    if missing := required - members.keys():
        raise BadField(f"{min(missing)}: {kind.__name__} needs this field")
    return kind(**members)


@cache
def _members(kind: type) -> tuple[dict[str, Read], frozenset[str]]:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    required = (f.name for f in fields(kind) if f.default is f.default_factory is MISSING)
    return readers, frozenset(required)


@cache
def _reader(hint: Any) -> Read:
    """How to read a value whose annotation is ``hint``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: value
    if hint is float:
        return _number
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin in (tuple, list):
        return _sequence(origin, _reader(arguments[0]))
    if origin is dict:
        return _table(_reader(arguments[1]))
    if issubclass(hint, Enum):
        return _enum(hint)
    if is_dataclass(hint):
        return _fact(hint)
    return _exactly(hint)


def _fact(base: Any) -> Read:
    """A fact of this class or of one derived from it, such as any ``Event``."""
    kinds = {kind.__name__: kind for kind in (base, *base.__subclasses__())}
    return lambda value: decode(value, kinds)


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise BadField(f"{value!r:.60} is not allowed; a number")
    return float(value)


def _exactly(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise BadField(f"{value!r:.60} is not allowed; {kind.__name__}")
        return value

    return read


def _enum(kind: type[Enum]) -> Read:
    def read(value: Any) -> Enum:
        try:
            return kind[value]
        except KeyError:
            known = ", ".join(kind.__members__)
            raise BadField(f"{value!r:.60} is not allowed; one of {known}") from None

    return read


def _union(members: tuple[Any, ...]) -> Read:
    """One of several facts, told apart by their names, or a value that may be missing."""
    facts = [member for member in members if is_dataclass(member)]
    others = [_reader(member) for member in members if member not in (*facts, NoneType)]
    kinds = {kind.__name__: kind for kind in facts if isinstance(kind, type)}
    read: Read = others[0] if others else lambda value: decode(value, kinds)
    if NoneType in members:
        return lambda value: None if value is None else read(value)
    return read


def _sequence(kind: Callable[[Any], Any], read: Read) -> Read:
    def read_all(value: Any) -> Any:
        if not isinstance(value, list):
            raise BadField(f"{value!r:.60} is not allowed; a list")
        return kind(map(read, value))

    return read_all


def _table(read: Read) -> Read:
    def read_all(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise BadField(f"{value!r:.60} is not allowed; an object")
        return {name: read(item) for name, item in value.items()}

    return read_all
