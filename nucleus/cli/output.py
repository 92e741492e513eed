"""How commands show things: tables for people, JSON for programs.

What jobs say of themselves (payloads, results, errors) may hold anything: it is shown as plain
text, never as markup.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from nucleus.core.refusals import one_line

if TYPE_CHECKING:
    from nucleus.client import JobView, WorkerView

PIPE_WIDTH = 160  # columns, where there is no terminal that has a width
FLEXIBLE = ("type", "payload", "worker", "result")  # columns of jobs

STYLES = {
    "QUEUED": "yellow",
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "alive": "green",
    "lost": "red",
    "left": "dim",
}


def console(*, stderr: bool = False) -> Console:
    """Return the console to print to; it knows the terminal's width and colours."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(*columns: str, right: Iterable[str] = (), flexible: Iterable[str] = ()) -> Table:
    """An empty table of one line to a row.

    ``right`` names the columns of numbers, ``flexible`` those cut short on a narrow terminal.
    """
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        made.add_column(_line(name), justify=justify, no_wrap=name not in flexible)
    return made


def _line(text: str, style: str = "") -> Text:
    """Text that is cut short rather than wrapped."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def styled(word: str) -> Text:
    """A status in its colour."""
    return _line(word, STYLES.get(word, ""))


def plain(value: object) -> Text:
    """Text as it is, on one line."""
    return _line(" ".join(str(value).split()))


def short_json(value: Any) -> Text:
    """A JSON value on one line, cut short if need be."""
    return _line(one_line(json.dumps(value, ensure_ascii=False)))


def duration(seconds: float) -> str:
    """Seconds in words: ``12 ms``, ``3.4 s``, ``5 min 10 s``, ``2 h 5 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def age(seconds: float) -> str:
    """How long ago, for ages that are compared with one another."""
    return f"{seconds:.1f} s" if seconds < 59.95 else duration(seconds)


def took(job: "JobView") -> str:
    """How long the last attempt took, from its lease to the job's end."""
    if job.started_at is None or job.finished_at is None:
        return ""
    return duration(max(0.0, job.finished_at - job.started_at))


def jobs_table(jobs: Iterable["JobView"]) -> Table:
    """Jobs, one to a row."""
    columns = ("job", "type", "payload", "status", "try", "worker", "took", "result")
    made = table(*columns, right=("try", "took"), flexible=FLEXIBLE)
    for job in jobs:
        made.add_row(
            job.id,
            plain(job.job_type),
            short_json(job.payload),
            styled(job.status),
            f"{job.attempts}/{job.max_attempts}",
            plain(job.worker),
            took(job),
            outcome(job),
        )
    return made


def outcome(job: "JobView") -> RenderableType:
    """The result, or the last error."""
    return short_json(job.result) if job.status == "COMPLETED" else plain(job.error)


def job_as_json(job: "JobView") -> dict[str, Any]:
    """A job as a JSON object, with the names that the REST interface uses."""
    fields = asdict(job)
    return {"job_id": fields.pop("id"), **fields}


def worker_as_json(worker: "WorkerView") -> dict[str, Any]:
    """A worker as a JSON object."""
    return asdict(worker)
