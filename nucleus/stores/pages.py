"""Pages: how much a store reads at a time."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from nucleus.core.job import JOB_FIELDS, Job, job_from_row

MAX_CHARACTERS = 2_000_000  # of text on a page, more only by its last item

Row = tuple[Any, ...]

_TEXTS = ("payload", "result", "error", "output")
_texts = itemgetter(*map(JOB_FIELDS.index, _TEXTS))


def _text_size(row: Row) -> int:
    """How many characters there are in those fields of a job that may be long."""
    return sum(map(len, _texts(row)))


def page_of(rows: Iterable[Row], limit: int) -> tuple[list[Job], bool]:
    """The jobs in the first ``limit`` rows, and whether there are more.

    No more rows are taken than a page has room for, so they may be read as they are taken.
    """
    jobs: list[Job] = []
    room = MAX_CHARACTERS
    for row in rows:
        if len(jobs) == limit or room <= 0:
            return jobs, True
        room -= _text_size(row)
        jobs.append(job_from_row(row))
    return jobs, False
