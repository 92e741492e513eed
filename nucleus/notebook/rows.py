"""A small table, as text and in a page, and the one that shows jobs.

    job_table(cluster.client.jobs())

Only the first rows are shown; how many more there are is said below them.
"""

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nucleus.client import JobView

SHOWN = 20  # rows
LONGEST = 40  # characters of a payload or a result
COLUMNS = ("id", "type", "payload", "status", "result", "worker", "attempts", "waited s", "ran s")


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """A table: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def value(self) -> Any:
        """The first column of the first row. Raises ``IndexError`` without a row."""
        return self.rows[0][0]

    def __repr__(self) -> str:
        lines = [self.columns, *(tuple(map(_said, row)) for row in self.rows[:SHOWN])]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = (
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        return "\n".join([*texts, *self._rest()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(_said(value))}</td>' for value in row)}</tr>"
            for row in self.rows[:SHOWN]
        )
        rest = "".join(f"<p>{html.escape(line)}</p>" for line in self._rest())
        return f'<table style="white-space:nowrap"><tr>{head}</tr>{body}</table>{rest}'

    def _rest(self) -> list[str]:
        hidden = len(self.rows) - SHOWN
        return [f"and {hidden:,} more"] if hidden > 0 else []


def job_table(jobs: Iterable[JobView]) -> Rows:
    """Show jobs, a row for each: what was asked, what came of it, by whom, and how long it took.

    ``attempts`` counts those that ended. ``waited s`` are the seconds from the submit to the last
    start, ``ran s`` those from there to the end.
    """
    return Rows(COLUMNS, tuple(map(_row, jobs)))


def _row(job: JobView) -> tuple[Any, ...]:
    result = _json(job.result) if job.status == "COMPLETED" else job.error[:LONGEST]
    waited, ran = _since(job.submitted_at, job.started_at), _since(job.started_at, job.finished_at)
    asked, who = (job.id, job.job_type, _json(job.payload)), (job.worker, job.attempts)
    return (*asked, job.status, result, *who, waited, ran)


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _since(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _said(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
