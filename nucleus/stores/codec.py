"""Events as rows and back: one column for every field that any kind of event has.

A kind fills the columns of its fields and leaves the others NULL, which cost a byte. So the
history can be asked with plain SQL about any field, and no text has to be made or read.
"""

import json
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from nucleus.core.events import KINDS, Event

_NAMES = {kind: tuple(f.name for f in fields(cls)) for kind, cls in KINDS.items()}
# Columns in order of their first appearance; ``kind`` says which of them are filled.
EVENT_COLUMNS: tuple[str, ...] = (
    "seq",
    "at",
    "kind",
    *dict.fromkeys(n for names in _NAMES.values() for n in names if n not in ("seq", "at")),
)
_LISTS = {"job_types", "running"}  # as JSON text
_BOOLEANS = {"front", "suspect"}

_Values = Callable[[Any], tuple[Any, ...]]


def _spread(names: tuple[str, ...]) -> _Values:
    """From (kind, *values, None), pick a value for each column."""
    places = {"kind": 0, **{name: place for place, name in enumerate(names, 1)}}
    return itemgetter(*(places.get(column, len(names) + 1) for column in EVENT_COLUMNS))


_VALUES: dict[str, _Values] = {kind: attrgetter(*names) for kind, names in _NAMES.items()}
_SPREAD: dict[str, _Values] = {kind: _spread(names) for kind, names in _NAMES.items()}
_PICK: dict[str, _Values] = {
    kind: itemgetter(*(EVENT_COLUMNS.index(name) for name in names))
    for kind, names in _NAMES.items()
}
_SPECIAL = {
    kind: [(place, name) for place, name in enumerate(names) if name in _LISTS | _BOOLEANS]
    for kind, names in _NAMES.items()
}


def event_row(event: Event) -> tuple[Any, ...]:
    """The event's values, in the order of :data:`EVENT_COLUMNS`."""
    kind = type(event).__name__
    values = _VALUES[kind](event)
    if _SPECIAL[kind]:
        values = tuple(json.dumps(v) if isinstance(v, tuple) else v for v in values)
    return _SPREAD[kind]((kind, *values, None))


def event_from_row(row: tuple[Any, ...]) -> Event:
    """The event whose :func:`event_row` is ``row``."""
    kind = row[2]
    values = list(_PICK[kind](row))
    for place, name in _SPECIAL[kind]:
        value = values[place]
        values[place] = tuple(json.loads(value)) if name in _LISTS else bool(value)
    return KINDS[kind](*values)
