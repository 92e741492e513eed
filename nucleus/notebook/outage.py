"""A part that is away for a while, and what that cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from nucleus.cluster import Cluster
from nucleus.cluster.breakable import Service
from nucleus.history import History
from nucleus.history.checker import Verdict
from nucleus.notebook.checks import Finding, check
from nucleus.pictures.queue import flow_of
from nucleus.pictures.time_axis import TimeAxis


@contextmanager
def away(cluster: Cluster, part: Service) -> Iterator[None]:
    """Kill a part that is no worker, and start it again at the end, whatever happened meanwhile."""
    cluster.kill_part(part)
    try:
        yield
    finally:
        cluster.restart_part(part)


def longest_gap(history: History) -> float:
    """Seconds between the two ends of jobs that were furthest apart; 0 without two."""
    ended = flow_of(history, TimeAxis.of(history)).ended_at
    moments = sorted(moment for moments in ended.values() for moment in moments)
    return max((after - before for before, after in pairwise(moments)), default=0.0)


def nothing_lost(verdict: Verdict) -> Finding:
    """Whether every job that was acknowledged is there and has ended, once, by the checker."""
    account = verdict.account
    came_of_it = f"{account.lost} of them are lost, {account.duplicated} were made twice"
    return check(
        verdict.ok and account.acknowledged > 0 and not account.lost and not account.duplicated,
        f"{account.acknowledged} jobs were acknowledged, {came_of_it}, and no promise is broken.",
        f"{account.acknowledged} jobs were acknowledged, {came_of_it}. {verdict.text()}",
    )
