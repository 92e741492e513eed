"""The Prometheus text format 0.0.4: ``parse`` reads it strictly, ``render`` writes it.

Why not prometheus_client for this: its parser accepts what Prometheus does not (it says so
itself) and names no line. One bad push let through would spoil the scrape of every part, and
students need the line number. Its writer renames counters that do not end in ``_total``,
which a Pushgateway must hand on as they came.

Errors are ``InvalidArgument("line N: ...")``. What one body says is judged here; whether it
fits what other groups hold is judged in ``groups``.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nucleus.core.errors import InvalidArgument

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SUFFIXES = {
    "counter": ("",),
    "gauge": ("",),
    "untyped": ("",),
    "summary": ("", "_sum", "_count"),
    "histogram": ("_bucket", "_sum", "_count"),
}
"""The kinds of family, and what a sample of each adds to the family's name."""

OWN_LABEL = {("summary", ""): "quantile", ("histogram", "_bucket"): "le"}
"""(kind, suffix) -> the label that such a sample cannot do without."""

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")  # two underscores: Prometheus's own

_OPEN = re.compile(r"[ \t]*\{")
_CLOSE = re.compile(r"[ \t]*\}")
_COMMENT = re.compile(r"#[ \t]*(HELP|TYPE)[ \t]+([^ \t]+)[ \t]*(.*)")
_NAME_END = re.compile(r"[{ \t]")
_WORD = re.compile(r"[^ \t]+")  # not str.split(): a carriage return is no blank here
_LABEL = re.compile(r'[ \t]*([^={}", \t]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"(?:[+-]?inf(?:inity)?|nan)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.?)")
_UNESCAPED = {"\\": "\\", "n": "\n", '"': '"'}

Labels = tuple[tuple[str, str], ...]
"""Pairs of name and value, sorted by name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line with a value."""

    name: str  # with its suffix, such as _bucket
    labels: Labels
    value: float
    line: int = field(default=0, compare=False)  # where it stood in the pushed body

    @property
    def series(self) -> tuple[str, Labels]:
        """What tells series apart. To Prometheus an empty label is an absent one."""
        return self.name, tuple(pair for pair in self.labels if pair[1])


@dataclass(frozen=True, slots=True)
class Family:
    """All samples under one HELP and one TYPE; never without a sample when parsed."""

    name: str
    kind: str  # one of SUFFIXES
    help: str  # "" when there was no HELP line
    samples: tuple[Sample, ...]
    line: int = field(default=0, compare=False)

    @property
    def claims(self) -> frozenset[str]:
        """The names that no other family may have, the one of the family among them."""
        return frozenset({self.name, *(self.name + suffix for suffix in SUFFIXES[self.kind])})


def bad(line: int, reason: str) -> InvalidArgument:
    """Return the error for what is wrong with a line, counted from 1."""
    return InvalidArgument(f"line {line}: {reason}")


def parse(text: str) -> list[Family]:
    """Read a whole body, or raise ``InvalidArgument`` with the line that is wrong."""
    parser = _Parser()
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        parser.feed(number, line)
    if lines[-1]:
        raise bad(len(lines), "no line feed at the end (with curl use --data-binary, not --data)")
    return parser.families()


@dataclass(slots=True)
class _Draft:
    """A family being read."""

    line: int
    kind: str | None = None
    help: str | None = None
    samples: list[Sample] = field(default_factory=list)

    def family(self, name: str) -> Family:
        kind, text = self.kind or "untyped", self.help or ""
        return Family(name, kind, text, tuple(self.samples), self.line)


class _Parser:
    """Fed line by line; knows what the lines before have said."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}

    def feed(self, number: int, raw: str) -> None:
        line = raw.strip(" \t")
        if line.startswith("#"):
            self._comment(number, line)
        elif line:
            self._sample(number, line)

    def families(self) -> list[Family]:
        return [draft.family(name) for name, draft in self._drafts.items() if draft.samples]

    def _draft(self, name: str, number: int) -> _Draft:
        return self._drafts.setdefault(name, _Draft(number))

    def _comment(self, number: int, line: str) -> None:
        match = _COMMENT.fullmatch(line)
        if match is None:
            return
        keyword, name, text = match.groups()
        _check_metric_name(number, name)
        if keyword == "HELP":
            self._help(number, name, text)
        else:
            self._type(number, name, text)

    def _help(self, number: int, name: str, text: str) -> None:
        draft = self._draft(name, number)
        if draft.help is not None:
            raise bad(number, f"second HELP for {name}")
        draft.help = _unescape(number, text, allowed="\\n")

    def _type(self, number: int, name: str, kind: str) -> None:
        draft = self._draft(name, number)
        if kind not in SUFFIXES:
            allowed = ", ".join(SUFFIXES)
            raise bad(number, f"unknown TYPE {_quote(kind)} of {name}; allowed: {allowed}")
        if draft.kind is not None or draft.samples:
            raise bad(number, f"TYPE of {name} comes twice, or after its samples")
        draft.kind = kind

    def _sample(self, number: int, line: str) -> None:
        sample = _parse_sample(number, line)
        family, kind, suffix = self._family_of(sample.name)
        if suffix not in SUFFIXES[kind]:
            raise bad(number, f"a {kind} has no sample {sample.name} without a suffix")
        needed = OWN_LABEL.get((kind, suffix))
        if needed and not any(name == needed for name, _ in sample.labels):
            raise bad(number, f"a sample {sample.name} of a {kind} needs the label {needed!r}")
        self._draft(family, number).samples.append(sample)

    def _family_of(self, name: str) -> tuple[str, str, str]:
        """Return the family, its kind and the suffix of a sample's name."""
        for suffix in ("_bucket", "_sum", "_count"):
            family = name.removesuffix(suffix)
            kind = self._kind(family)
            if family != name and suffix in SUFFIXES[kind]:
                return family, kind, suffix
        return name, self._kind(name), ""

    def _kind(self, name: str) -> str:
        draft = self._drafts.get(name)
        return draft.kind if draft and draft.kind else "untyped"


def _parse_sample(number: int, line: str) -> Sample:
    name = _NAME_END.split(line, maxsplit=1)[0]
    _check_metric_name(number, name)
    labels: dict[str, str] = {}
    end = len(name)
    if opening := _OPEN.match(line, end):
        labels, end = _parse_labels(number, line, opening.end())
    value = _parse_value(number, name, _WORD.findall(line, end))
    return Sample(name, tuple(sorted(labels.items())), value, number)


def _parse_labels(number: int, line: str, start: int) -> tuple[dict[str, str], int]:
    """Read from behind the opening brace; return the labels and the place behind the closing."""
    labels: dict[str, str] = {}
    while not (closing := _CLOSE.match(line, start)):
        match = _LABEL.match(line, start)
        if match is None:
            raise bad(number, f'expected name="value" or }} at {_quote(line[start:])}')
        name, value = match.groups()
        if not LABEL_NAME.fullmatch(name):
            raise bad(number, f"invalid label name {_quote(name)}")
        if name in labels:
            raise bad(number, f"label {name!r} comes twice")
        labels[name] = _unescape(number, value, allowed='\\n"')
        start = _behind_comma(number, line, match.end())
    return labels, closing.end()


def _behind_comma(number: int, line: str, start: int) -> int:
    """A label ends with a comma, which the last one may leave out."""
    if line.startswith(",", start):
        return start + 1
    if line.startswith("}", start):
        return start
    raise bad(number, f"expected , or }} at {_quote(line[start:])}")


def _parse_value(number: int, name: str, words: list[str]) -> float:
    match words:
        case []:
            raise bad(number, f"{name} has no value")
        case [word]:
            return _parse_float(number, word)
        case [_, _]:
            raise bad(number, f"{name} has a timestamp; a push must not have any")
        case _:
            raise bad(number, f"unexpected text after the value of {name}: {_quote(words[2])}")


def _parse_float(number: int, word: str) -> float:
    if _NOT_FINITE.fullmatch(word):
        return float(word)
    if not _NUMBER.fullmatch(word) or math.isinf(float(word)):
        raise bad(number, f"{_quote(word)} is not a 64-bit number")
    return float(word)


def _check_metric_name(number: int, name: str) -> None:
    if not METRIC_NAME.fullmatch(name):
        raise bad(number, f"invalid metric name {_quote(name)}")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def _unescape(number: int, text: str, *, allowed: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if not match[1] or match[1] not in allowed:
            raise bad(number, f"invalid escape {match[0]!r}")
        return _UNESCAPED[match[1]]

    return _ESCAPE.sub(replace, text) if "\\" in text else text


def render(families: Iterable[Family]) -> bytes:
    """Write families; ``parse`` reads back the same."""
    return "".join(line for family in families for line in _render_family(family)).encode()


def _render_family(family: Family) -> Iterator[str]:
    if family.help:
        yield f"# HELP {family.name} {_escape(family.help)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        yield f"{sample.name}{_render_labels(sample.labels)} {_render_value(sample.value)}\n"


def _render_labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape_value(value)}"' for name, value in labels) + "}"


def _render_value(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape_value(text: str) -> str:
    return _escape(text).replace('"', '\\"')
