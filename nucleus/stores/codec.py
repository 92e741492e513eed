"""Events as text and back, for stores that keep them in a column."""

import json
from dataclasses import fields
from operator import attrgetter
from typing import Any

from nucleus.core.events import KINDS, Event

_OWN_COLUMNS = ("seq", "at")  # the rest goes into one JSON object
_NAMES = {
    kind: tuple(f.name for f in fields(cls) if f.name not in _OWN_COLUMNS)
    for kind, cls in KINDS.items()
}
_VALUES = {kind: attrgetter(*names) for kind, names in _NAMES.items()}
_TUPLES = {
    kind: tuple(f.name for f in fields(cls) if str(f.type).startswith("tuple"))
    for kind, cls in KINDS.items()
}


def encode_event(event: Event) -> tuple[str, str]:
    """The kind, and everything but ``seq`` and ``at`` as a JSON object."""
    kind = type(event).__name__
    names = _NAMES[kind]
    values = _VALUES[kind](event)
    if len(names) == 1:
        values = (values,)
    return kind, json.dumps(dict(zip(names, values, strict=True)), separators=(",", ":"))


def decode_event(seq: int, at: float, kind: str, data: str) -> Event:
    """The event that :func:`encode_event` was given."""
    values: dict[str, Any] = json.loads(data)
    for name in _TUPLES[kind]:
        values[name] = tuple(values[name])
    return KINDS[kind](seq, at, **values)
