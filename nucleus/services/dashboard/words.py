"""How the page says things: signs, ages, counts, and values as text."""

import json
from datetime import UTC, datetime
from typing import Any

from nucleus.client import WorkerView
from nucleus.core.job import job_number
from nucleus.jobs.payload import shorten

SIGNS = {
    "QUEUED": "…",
    "RUNNING": "▸",
    "COMPLETED": "✓",
    "FAILED": "✗",
    "CANCELLED": "–",
    "alive": "●",
    "late": "◐",
    "lost": "✗",
    "left": "–",
}
"""Beside each colour stands a sign, so that no meaning hangs on the colour."""

SHOWN = 20_000
"""Characters of one value on a job's page; the REST interface has all of them."""


def short(value: Any) -> str:
    """The value as one short line of JSON."""
    return shorten(as_json(value))


def last_line(error: str) -> str:
    """The line of an error that says what happened, which in a traceback is the last."""
    return shorten(error.strip().rpartition("\n")[2])


def as_json(value: Any) -> str:
    """The value as JSON text: a browser's own numbers would lose digits above 2^53."""
    return json.dumps(value, ensure_ascii=False)


def bounded(text: str) -> str:
    """At most ``SHOWN`` characters of the text, saying how many more there are."""
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}\n… and {len(text) - SHOWN:,} more characters"


def number(job_id: str) -> str:
    """What people call a job: the number in its id."""
    return str(job_number(job_id) or job_id)


def span(seconds: float) -> str:
    """A length of time, to two digits or so: ``0.31 s``, ``12 s``, ``5 min``, ``3 h``."""
    if seconds < 0.005:
        return "0 s"
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: float) -> str:
    """A time of day in UTC, to the millisecond."""
    return f"{_utc(at):%H:%M:%S}.{int(at % 1 * 1000):03d}"


def stamp(at: float) -> str:
    """The same for a machine, with its date."""
    return _utc(at).isoformat(timespec="milliseconds")


def rate(per_second: float) -> str:
    """A number of jobs per second, without digits that say nothing."""
    return f"{per_second:,.1f}" if per_second < 100 else f"{per_second:,.0f}"


def condition(worker: WorkerView, timeout: float) -> str:
    """The worker's state, or "late": alive, but silent for more than half of ``timeout`` s."""
    late = worker.state == "alive" and worker.heartbeat_age > timeout / 2
    return "late" if late else worker.state


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


FILTERS = {
    "short": short,
    "shorten": shorten,
    "last_line": last_line,
    "as_json": as_json,
    "bounded": bounded,
    "number": number,
    "span": span,
    "moment": moment,
    "stamp": stamp,
    "rate": rate,
    "condition": condition,
}
"""What templates may use."""
