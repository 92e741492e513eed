"""How long jobs took: from submit to result, and of that how much was waiting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nucleus.core.events import JobCompleted, JobSubmitted
from nucleus.history import History
from nucleus.pictures.attempts import attempts_of
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.style import (
    BLUE,
    COMPLETED,
    FAINT,
    QUEUED,
    WIDTH,
    count,
    dress,
    legend,
)
from nucleus.pictures.time_axis import LABEL, TimeAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHORTEST = 1e-4  # seconds; what is quicker is drawn as this, for a log axis has no zero
SHARES = (50, 95, 99)  # per cent, in words
GUIDES = (50, 95)  # per cent, as lines
SECONDS_FROM = 1.0  # median seconds from which the axis is in seconds


@dataclass(frozen=True, slots=True)
class Took:
    """How long one completed job took, in seconds."""

    ended: float  # on the time axis
    total: float  # from submit to result
    wait: float  # from submit to the begin of the attempt that was accepted
    run: float


def times_of(history: History, time: TimeAxis) -> list[Took]:
    """The completed jobs whose submit was seen, in the order in which they ended."""
    submitted = {
        seen.event.job_id: seen.at
        for seen in history.events()
        if isinstance(seen.event, JobSubmitted)
    }
    started = {attempt.lease: attempt.started for attempt in attempts_of(history)}
    times = []
    for seen in history.events():
        event = seen.event
        if isinstance(event, JobCompleted) and event.job_id in submitted:
            began, asked = started.get(event.lease) or seen.at, submitted[event.job_id]
            times.append(Took(time(seen.at), seen.at - asked, began - asked, event.run_seconds))
    return times


def latencies(history: History) -> Drawing:
    """Draw which share of the jobs took at most how long, and each job at the time it ended.

    Both axes of durations are logarithmic, in ms or in s, whatever suits the median.
    """
    time = TimeAxis.of(history)
    times = times_of(history, time)
    unit, factor = _unit(times)
    drawing = Drawing(WIDTH, 6.2, _words(times, time, unit, factor))
    above, below = drawing.subplots(2, 1)
    dress(above, "Which share of the jobs took at most so long", f"duration ({unit})", "jobs (%)")
    dress(below, "Each job, when its result came", LABEL, f"submit to result ({unit})")
    for name, durations, colour, line in (
        ("submit to result", [took.total for took in times], BLUE, "-"),
        ("wait", [took.wait for took in times], QUEUED, "--"),
        ("run", [took.run for took in times], COMPLETED, ":"),
    ):
        _draw_share(above, durations, factor, name, colour, line)
    _draw_moments(below, times, factor)
    time.fit(below)
    time.shade(below)
    legend(drawing)
    return drawing


def _unit(times: Sequence[Took]) -> tuple[str, float]:
    """The unit of the axes, and how many of it are a second."""
    middle = numpy.median([took.total for took in times]) if times else SECONDS_FROM
    return ("s", 1.0) if middle >= SECONDS_FROM else ("ms", 1000.0)


def _draw_share(
    axes: "Axes", durations: Sequence[float], factor: float, name: str, colour: str, line: str
) -> None:
    """Draw, for each duration, the share of the jobs that took at most so long."""
    if durations:
        axes.step(
            numpy.maximum(numpy.sort(durations), SHORTEST) * factor,
            100 * numpy.arange(1, len(durations) + 1) / len(durations),
            where="post",
            color=colour,
            linestyle=line,
            linewidth=2,
            label=name,
        )
    for share in GUIDES:
        axes.axhline(share, color=FAINT, linewidth=0.6, zorder=0)
    axes.set_yticks([0, 25, 75, *GUIDES])
    axes.set_ylim(0, 103)
    _log(axes, "x")


def _draw_moments(axes: "Axes", times: Sequence[Took], factor: float) -> None:
    if times:
        axes.scatter(
            [took.ended for took in times],
            [max(took.total, SHORTEST) * factor for took in times],
            s=14 if len(times) < 2_000 else 4,
            color=BLUE,
            linewidths=0,
            alpha=0.7 if len(times) < 2_000 else 0.25,
        )
        axes.scatter([], [], s=14, color=BLUE, label="one job")
    _log(axes, "y")


def _log(axes: "Axes", which: str) -> None:
    """A logarithmic axis with plain numbers: 0.5, 20, 1,000."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set_xscale("log") if which == "x" else axes.set_yscale("log")
    low, high = axis.get_view_interval()
    steps = (1.0, 2.0, 5.0) if high / low < 1000 else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _words(times: Sequence[Took], time: TimeAxis, unit: str, factor: float) -> str:
    if not times:
        return "No job was completed." + time.words()
    words = f"{count(len(times), 'job')} completed."
    for name, durations in (
        ("From submit to result", [took.total for took in times]),
        ("Waiting", [took.wait for took in times]),
        ("Running", [took.run for took in times]),
    ):
        half, most, nearly_all = numpy.percentile(durations, SHARES) * factor
        words += f" {name}: half took at most {half:.3g} {unit}, 95 % at most {most:.3g} {unit},"
        words += f" 99 % at most {nearly_all:.3g} {unit}."
    return words + time.words()
