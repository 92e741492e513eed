"""The Prometheus text format 0.0.4, read and written by ``prometheus_client``.

``parse`` adds line numbers to the library's parser, and refuses what has no place in a push:
timestamps, and names or kinds that the format does not have. In all else the library judges;
it takes a little more than Prometheus does. ``render`` writes each counter with the ending
``_total``, also one that was pushed without it.

Errors are ``InvalidArgument("line N: ...")``. Whether a body fits what other groups hold is
judged in ``groups``.
"""

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TextIO, cast

from prometheus_client import core, generate_latest
from prometheus_client.parser import text_fd_to_metric_families

from nucleus.core.errors import InvalidArgument

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

KINDS = ("counter", "gauge", "histogram", "summary", "untyped")
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
"""Kind of family -> what the names of its samples have behind its own."""

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")  # two underscores: Prometheus's own

LINE_LIMIT = 2**16
"""Characters of a line; the time that the library takes grows with their square."""

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

    name: str  # as it is written: that of a counter ends in _total
    kind: str  # as the library calls it: "unknown" is the text's untyped
    help: str
    samples: tuple[Sample, ...]

    @property
    def line(self) -> int:
        """Where its first sample stood."""
        return self.samples[0].line

    @property
    def claims(self) -> frozenset[str]:
        """The names that no other family may have, the one of the family among them."""
        return frozenset({self.name, *(self.name + part for part in PARTS.get(self.kind, ()))})


def bad(line: int, reason: str) -> InvalidArgument:
    """Return the error for what is wrong with a line, counted from 1."""
    return InvalidArgument(f"line {line}: {reason}")


def parse(text: str) -> list[Family]:
    """Read a whole body, or raise ``InvalidArgument`` with the line that is wrong."""
    read: list[str] = []
    try:
        metrics = list(text_fd_to_metric_families(cast(TextIO, _lines(text, read))))
    except (ValueError, IndexError) as reason:
        why = str(reason)[:100] or "not the text format"
        raise bad(len(read), f"{read[-1][:60]!r}: {why}") from None
    # The samples come in the order of their lines.
    numbers = (number for number, line in enumerate(read, 1) if line[:1] not in ("", "#"))
    parts = defaultdict(list)  # the library yields samples without a TYPE one by one
    for metric in metrics:
        if metric.samples:
            family = _family(metric, numbers)
            parts[family.name].append(family)
    return [merge(same) for same in parts.values()]


def _lines(text: str, read: list[str]) -> Iterator[str]:
    """Yield the lines, each noted in ``read`` before the library judges it."""
    for line in map(str.strip, io.StringIO(text)):
        read.append(line)
        if len(line) > LINE_LIMIT:
            raise ValueError(f"longer than {LINE_LIMIT} characters")
        match line.split():
            case ["#", "TYPE", _, *kind] if " ".join(kind) not in KINDS:
                raise ValueError(f"unknown TYPE; allowed: {', '.join(KINDS)}")
        yield line


def _family(metric: core.Metric, numbers: Iterator[int]) -> Family:
    samples = tuple(_sample(sample, next(numbers)) for sample in metric.samples)
    name = metric.name + "_total" if metric.type == "counter" else metric.name
    return Family(name, metric.type, metric.documentation, samples)


def _sample(sample: core.Sample, line: int) -> Sample:
    if sample.timestamp is not None:
        raise bad(line, f"{sample.name[:40]} has a timestamp; a push must not have any")
    if not METRIC_NAME.fullmatch(sample.name):
        raise bad(line, f"invalid metric name {sample.name[:40]!r}")
    for name in sample.labels:
        if not LABEL_NAME.fullmatch(name):
            raise bad(line, f"invalid label name {name[:40]!r}")
    value = float(str(sample.value))  # through str, as an int may be too large for a float
    return Sample(sample.name, tuple(sorted(sample.labels.items())), value, line)


def merge(parts: list[Family]) -> Family:
    """Join what stands apart under one name; the first HELP wins, the TYPE must be the same."""
    first = parts[0]
    for part in parts:
        if part.kind != first.kind:
            raise bad(part.line, f"{first.name} is {first.kind} above, and {part.kind} here")
    return replace(first, samples=tuple(sample for part in parts for sample in part.samples))


def render(families: Iterable[Family]) -> bytes:
    """Write families; ``parse`` reads back the same."""
    return generate_latest(_Collector(families))


@dataclass(frozen=True, slots=True)
class _Collector:
    families: Iterable[Family]

    def collect(self) -> Iterator[core.Metric]:
        for family in self.families:
            # To the library, only the samples of a counter have the ending, not the family.
            name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
            metric = core.Metric(name, family.help, family.kind)
            metric.samples = [core.Sample(s.name, dict(s.labels), s.value) for s in family.samples]
            yield metric
