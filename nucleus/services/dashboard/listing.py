"""One page of the list of jobs: a few of a million, without counting or sorting any.

The list is read from one of its ends, or from a job on, in either direction, so that four
links lead everywhere: newest, newer, older, oldest. What is shown always has the newest first.
The master filters by status; by type it is done here, over a bounded number of jobs at a time.
"""

from dataclasses import dataclass

from nucleus.client import JobView
from nucleus.services.dashboard.gateway import Gateway

SHOWN = 25
"""Jobs on a page."""

SCANNED = 2_000
"""Jobs that are looked at for those of one type; a link goes on from there."""

PAGE = 500
"""Jobs that are read at a time while looking for those of one type."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of the list is asked for."""

    status: str = ""  # "" for all
    job_type: str = ""  # "" for all
    token: str = ""  # the page begins behind this job, "" at the end of the list
    newest_first: bool = True  # towards older jobs from there, else towards newer ones


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of the list of jobs."""

    jobs: list[JobView]  # the newest first
    newer: str  # the token of what comes before; "" when there is nothing
    older: str  # the token of what comes after
    scanned: int  # jobs looked at, when that was stopped before the page was full; else 0


def read_listing(gateway: Gateway, place: Place) -> Listing:
    """Read the jobs at ``place``. Raises ``NotFound`` for a token of another ledger."""
    found: list[JobView] = []
    token, scanned, more = place.token, 0, True
    while more and len(found) < SHOWN and scanned < SCANNED:
        jobs, following = gateway.page(
            place.status,
            PAGE if place.job_type else SHOWN,
            token,
            newest_first=place.newest_first,
        )
        taken = _take(jobs, place.job_type, SHOWN - len(found))
        found += [job for job in taken if _fits(job, place.job_type)]
        scanned += len(taken)
        more = bool(following) or len(taken) < len(jobs)
        token = taken[-1].id if taken else following
    ahead = token if more else ""
    cut_short = scanned if more and len(found) < SHOWN else 0
    if place.newest_first:
        behind = found[0].id if found and place.token else place.token
        return Listing(found, newer=behind, older=ahead, scanned=cut_short)
    found.reverse()
    behind = found[-1].id if found and place.token else place.token
    return Listing(found, newer=ahead, older=behind, scanned=cut_short)


def _take(jobs: list[JobView], job_type: str, room: int) -> list[JobView]:
    """The jobs up to the one that fills the page."""
    for place, job in enumerate(jobs, 1):
        room -= _fits(job, job_type)
        if room == 0:
            return jobs[:place]
    return jobs


def _fits(job: JobView, job_type: str) -> bool:
    return not job_type or job.job_type == job_type
