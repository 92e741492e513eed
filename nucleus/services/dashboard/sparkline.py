"""A small plot without axes, as the paths of an SVG: drawn here, since no script runs there."""

from collections.abc import Sequence

from nucleus.core.facts import fact
from nucleus.services.dashboard.samples import KEPT, Series

WIDTH, HEIGHT = 240.0, 40.0
"""Of the drawing, in SVG units."""

PAD = 2.0
"""Units above and below, for half the width of the line."""


@fact
class Sparkline:
    """What there is to draw, and to say; values in the unit of the series."""

    line: str  # an SVG path: one run for each time without a gap
    area: str  # the same, closed down to the ground
    last: float | None  # None: the master does not answer
    highest: float


def sparkline(series: Series, least: float) -> Sparkline:
    """Draw a series, its newest value at the right end.

    ``least`` is the lowest that the upper edge stands for, so that noise stays small.
    """
    values = [value for value in series if value is not None]
    highest = max(values, default=0.0)
    runs = [_points(run, max(highest, least)) for run in _runs(series)]
    line = " ".join(f"M{' L'.join(points)}" for points in runs)
    area = " ".join(
        f"M{_x(points[0])},{HEIGHT:g} L{' L'.join(points)} L{_x(points[-1])},{HEIGHT:g} Z"
        for points in runs
    )
    return Sparkline(line, area, series[-1] if series else None, highest)


def _runs(series: Series) -> list[list[tuple[int, float]]]:
    """The stretches without a gap, as (place, value); the last place is ``KEPT`` - 1."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(series, KEPT - len(series)):
        if value is not None:
            runs[-1].append((place, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _points(run: Sequence[tuple[int, float]], top: float) -> list[str]:
    room = HEIGHT - 2 * PAD
    points = [
        f"{WIDTH * place / (KEPT - 1):.1f},{HEIGHT - PAD - room * value / top:.1f}"
        for place, value in run
    ]
    return points if len(points) > 1 else points * 2  # a path of one point draws nothing


def _x(point: str) -> str:
    return point.partition(",")[0]
