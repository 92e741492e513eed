"""How long a death goes unnoticed against how many of the living are given up on.

The dilemma of every failure detector, drawn from one recorded run: a short timeout finds the
dead soon and buries some of the living, a long one does neither.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle
from math import inf
from statistics import median
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter

from nucleus.history import History
from nucleus.history.what_if import WhatIf, sweep
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.style import (
    BLUE,
    GREEN,
    INK,
    PAPER,
    SMALL,
    VERMILION,
    WIDTH,
    dress,
    legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIMEOUTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)  # seconds
INTERVALS = (1.0, 3.0)  # seconds
APART = (28, 14)  # dots between two labels
LOOKS = (  # colour, mark, dashes, and how many points above its mark a timeout is written
    (BLUE, "o", "-", 11),
    (VERMILION, "s", "--", -12),
    (GREEN, "^", ":", 20),
)


def delay_against_false_deaths(
    history: History,
    timeouts: Sequence[float] = TIMEOUTS,
    intervals: Sequence[float] = INTERVALS,
) -> Drawing:
    """Draw a line for each heartbeat interval, with a point for each timeout, all in seconds.

    A timeout under which no real death was noticed has no delay, and no point. Raises
    ``ValueError`` for settings that are not positive.
    """
    sweeps = {interval: sweep(history, sorted(timeouts), interval) for interval in intervals}
    drawing = Drawing(WIDTH, 4.6, _words(sweeps.values()))
    axes = drawing.subplots()
    dress(
        axes,
        "What another timeout would have cost (the numbers at the points)",
        "median delay until a real death is noticed (s)",
        "times a living worker is given up on",
    )
    outcomes = [outcome for line in sweeps.values() for outcome in line]
    slowest = max([1.0, *(median(outcome.delays) for outcome in outcomes if outcome.delays)])
    axes.set_yscale("symlog", linthresh=1.0)  # from nobody to thousands
    axes.set_xlim(-0.03 * slowest, 1.05 * slowest)
    axes.set_ylim(-0.5, 3.0 * max(2, *(len(outcome.false_deaths) for outcome in outcomes)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for (interval, line), look in zip(sweeps.items(), cycle(LOOKS), strict=False):
        _draw_line(axes, interval, [outcome for outcome in line if outcome.delays], look)
    if not any(outcome.delays for outcome in outcomes):
        axes.text(
            0.5, 0.5, "no real death was noticed", ha="center", color=INK, transform=axes.transAxes
        )
    legend(drawing)
    return drawing


def _draw_line(
    axes: "Axes", interval: float, outcomes: Sequence[WhatIf], look: tuple[str, str, str, int]
) -> None:
    colour, mark, dash, above = look
    points = [(median(outcome.delays), len(outcome.false_deaths)) for outcome in outcomes]
    axes.plot(
        [delay for delay, _ in points],
        [buried for _, buried in points],
        color=colour,
        marker=mark,
        linestyle=dash,
        linewidth=1.5,
        label=f"a heartbeat every {interval:g} s",
    )
    last = (-inf, -inf)
    for point, outcome in zip(points, outcomes, strict=True):
        x, y = axes.transData.transform(point)
        if abs(x - last[0]) < APART[0] and abs(y - last[1]) < APART[1]:
            continue  # it would cover the one before
        last = x, y
        axes.annotate(
            f"{outcome.timeout:g} s",
            point,
            xytext=(0, above),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            color=colour,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
        )


def _words(sweeps: Iterable[Sequence[WhatIf]]) -> str:
    """The two ends of each line."""
    ends = [outcome for outcomes in sweeps for outcome in (outcomes[0], outcomes[-1])]
    return " ".join(outcome.words for outcome in ends)
