"""How much may be pushed: by one source, and by all together.

A source is a group: what one part pushes under its own path. Prometheus keeps every series that
it ever sees, so a label with a value of its own for each job or user costs it dearly; it is
refused here, where somebody reads the reason.
"""

from collections.abc import Collection, Iterable

from nucleus.core.errors import InvalidArgument, ResourceExhausted
from nucleus.services.monitoring.text_format import Family, Labels, Sample, bad

SERIES_OF_ONE = 5_000
"""Series of one source. A master has about 200, and 20 more for each job type; a worker has 5."""

SOURCES = 2_000
"""Twice the thousand workers that a master is built for."""

SERIES_OF_ALL = 50_000
"""Series of all sources; a thousand workers have 8,000, and one scrape of all takes seconds."""

LABELS = 32
"""Labels of one series; Prometheus itself is often set to 30."""

NAME_LENGTH = 200
"""Characters of the name of a metric or a label."""

VALUE_LENGTH = 500
"""Characters of a label's value; names of workers and job types have at most 100."""

HELP_LENGTH = 1_000
"""Characters of a HELP text."""


def check_grouping(labels: Labels) -> None:
    """Refuse a path with too many labels, or too long ones."""
    problem = _labels_problem(labels)
    if problem:
        raise InvalidArgument(f"the path: {problem}")


def check_families(families: Collection[Family]) -> None:
    """Refuse a source that has too many series, or one that is too long."""
    count = 0
    for family in families:
        if len(family.help) > HELP_LENGTH:
            raise bad(family.line, f"HELP has {len(family.help)} characters; {HELP_LENGTH} at most")
        for sample in family.samples:
            count += 1
            if count > SERIES_OF_ONE:
                raise bad(sample.line, f"more than {SERIES_OF_ONE} series from one source")
            if problem := _sample_problem(sample):
                raise bad(sample.line, problem)


def check_room(sources: int, series: int) -> None:
    """Refuse what would be more than ``SOURCES`` or ``SERIES_OF_ALL``."""
    if sources > SOURCES:
        raise ResourceExhausted(f"{SOURCES} sources push already; silent ones go after 5 minutes")
    if series > SERIES_OF_ALL:
        raise ResourceExhausted(f"all sources together have at most {SERIES_OF_ALL} series")


def _sample_problem(sample: Sample) -> str:
    if len(sample.name) > NAME_LENGTH:
        return f"a name has {len(sample.name)} characters; {NAME_LENGTH} at most"
    return _labels_problem(sample.labels)


def _labels_problem(labels: Iterable[tuple[str, str]]) -> str:
    """What is wrong with labels, or ""."""
    count = 0
    for name, value in labels:
        count += 1
        if len(name) > NAME_LENGTH:
            return f"a label's name has {len(name)} characters; {NAME_LENGTH} at most"
        if len(value) > VALUE_LENGTH:
            return f"label {name!r} has {len(value)} characters; {VALUE_LENGTH} at most"
    return f"{count} labels; {LABELS} at most" if count > LABELS else ""
