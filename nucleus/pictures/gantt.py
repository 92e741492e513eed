"""Who ran what: a Gantt chart with a row for each worker and a bar for each attempt.

A bar that breaks off was lost with its worker; an arrow leads to where its job ran again.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.collections import PolyCollection
from matplotlib.patches import FancyArrowPatch

from nucleus.core.events import ResultRejected
from nucleus.history import History
from nucleus.pictures.attempts import Attempt, attempts_of, retries
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.style import (
    CANCELLED,
    COMPLETED,
    FAILED,
    INK,
    PAPER,
    RUNNING,
    SMALL,
    VERMILION,
    WIDTH,
    by_number,
    count,
    dress,
    label_rows,
    legend,
    rows_height,
)
from nucleus.pictures.time_axis import LABEL, TimeAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARROWS = 40  # more would hide the bars
NAMED = 80  # bars that are told apart by an edge, and by the number of their job
CHARACTER = 0.0085  # of the width of the picture: room that a digit takes
BARS = {  # outcome: colour of the bar, of its hatch, hatch, label
    "completed": (COMPLETED, PAPER, "", "completed"),
    "failed": (FAILED, PAPER, "xxx", "failed"),
    "lost": (PAPER, VERMILION, "////", "lost with its worker"),
    "cancelled": (PAPER, CANCELLED, "...", "cancelled"),
    "running": (RUNNING, PAPER, "", "still running"),
}

Point = tuple[float, float]


def gantt(history: History) -> Drawing:
    """Draw the attempts of each worker over the seconds of the history."""
    attempts, time = attempts_of(history), TimeAxis.of(history)
    rows = workers_of(attempts)
    height = rows_height(len(rows))
    drawing = Drawing(WIDTH, height + 1.1, _words(history, attempts, time))
    axes = drawing.subplots()
    draw_gantt(axes, history, time, attempts, height)
    axes.set_xlabel(LABEL)
    legend(drawing)
    return drawing


def draw_gantt(
    axes: "Axes", history: History, time: TimeAxis, attempts: Sequence[Attempt], height: float
) -> None:
    """Draw the chart on ``axes``, ``height`` inches high."""
    dress(axes, "Who ran which job")
    names = workers_of(attempts)
    rows = {name: row for row, name in enumerate(names)}
    label_rows(axes, names, height)
    time.fit(axes)
    lanes = _lanes(attempts)
    places = {a.lease: _place(a, rows[a.worker], lanes[a.worker]) for a in attempts}
    _draw_bars(axes, time, attempts, places)
    _name_bars(axes, time, attempts, places)
    _draw_arrows(axes, time, retries(attempts), places)
    _draw_void_runs(axes, time, attempts, places)
    _draw_refused(axes, history, time, rows)
    time.shade(axes, rows)


def workers_of(attempts: Sequence[Attempt]) -> list[str]:
    """The rows of the chart."""
    return by_number(attempt.worker for attempt in attempts)


def _lanes(attempts: Sequence[Attempt]) -> dict[str, int]:
    lanes: dict[str, int] = defaultdict(int)
    for attempt in attempts:
        lanes[attempt.worker] = max(lanes[attempt.worker], attempt.lane + 1)
    return lanes


def _place(attempt: Attempt, row: int, lanes: int) -> Point:
    """The upper and the lower edge of the bar."""
    height = 0.8 / lanes
    top = row - 0.4 + attempt.lane * height
    return top + 0.05 * height, top + 0.95 * height


def _draw_bars(
    axes: "Axes", time: TimeAxis, attempts: Sequence[Attempt], places: dict[int, Point]
) -> None:
    for outcome, (colour, edge, hatch, label) in BARS.items():
        bars = [_bar(a, places[a.lease], time) for a in attempts if a.outcome == outcome]
        if bars:
            few = len(bars) <= NAMED
            axes.add_collection(
                PolyCollection(
                    bars,
                    facecolors=colour,
                    edgecolors=edge if few or hatch else colour,
                    linewidths=0.8 if few else 0.2,
                    hatch=hatch,
                    label=f"{label} ({len(bars):,})",
                    zorder=2,
                )
            )


def _bar(attempt: Attempt, place: Point, time: TimeAxis) -> list[Point]:
    """The corners of the bar; the end of a lost one is jagged."""
    left, right = time(attempt.started or 0.0), time(min(attempt.ended, time.end))
    right = max(right, left + 0.0005 * time.length)  # the shortest can be seen, too
    top, bottom = place
    if attempt.outcome != "lost":
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    tooth, step = min(0.008 * time.length, (right - left) / 2), (bottom - top) / 4
    teeth = [(right - tooth * (n % 2), top + n * step) for n in range(5)]
    return [(left, top), *teeth, (left, bottom)]


def _name_bars(
    axes: "Axes", time: TimeAxis, attempts: Sequence[Attempt], places: dict[int, Point]
) -> None:
    for attempt in attempts if len(attempts) <= NAMED else ():
        left, right = time(attempt.started or 0.0), time(min(attempt.ended, time.end))
        if (right - left) / time.length > CHARACTER * (len(attempt.name) + 1):
            axes.text(
                (left + right) / 2,
                sum(places[attempt.lease]) / 2,
                attempt.name,
                ha="center",
                va="center",
                fontsize=SMALL - 1,
                color=INK,
                zorder=3,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
            )


def _draw_arrows(
    axes: "Axes",
    time: TimeAxis,
    pairs: Sequence[tuple[Attempt, Attempt]],
    places: dict[int, Point],
) -> None:
    label = f"runs again ({len(pairs):,})"
    if len(pairs) > ARROWS:
        label = f"runs again (first {ARROWS} of {len(pairs):,})"
    for before, after in pairs[:ARROWS]:
        tail = time(min(before.ended, time.end)), sum(places[before.lease]) / 2
        head = time(after.started or 0.0), sum(places[after.lease]) / 2
        axes.add_patch(
            FancyArrowPatch(
                tail,
                head,
                arrowstyle="-|>",
                mutation_scale=9,
                connectionstyle="arc3,rad=0.15",
                shrinkA=0,
                shrinkB=0,
                color=INK,
                linewidth=1,
                zorder=3.5,
            )
        )
    if pairs:
        axes.plot([], [], color=INK, marker=">", markersize=4, linewidth=1, label=label)


def _draw_void_runs(
    axes: "Axes", time: TimeAxis, attempts: Sequence[Attempt], places: dict[int, Point]
) -> None:
    """Where a worker that was given up on did not know it, and worked on."""
    runs = [a for a in attempts if a.stopped is not None and a.stopped > a.ended]
    if runs:
        axes.hlines(
            [sum(places[attempt.lease]) / 2 for attempt in runs],
            [time(attempt.ended) for attempt in runs],
            [time(attempt.stopped or attempt.ended) for attempt in runs],
            colors=VERMILION,
            linestyles=":",
            linewidth=2,
            zorder=2.5,
            label=f"runs on, in vain ({len(runs):,})",
        )


def _draw_refused(axes: "Axes", history: History, time: TimeAxis, rows: dict[str, int]) -> None:
    refused = [
        (time(seen.at), rows[seen.event.worker])
        for seen in history.events()
        if isinstance(seen.event, ResultRejected) and seen.event.worker in rows
    ]
    if refused:
        seconds, heights = zip(*refused, strict=True)
        axes.scatter(
            seconds,
            heights,
            marker="X",
            s=48,
            color=VERMILION,
            edgecolors=INK,
            linewidths=0.6,
            zorder=5,
            label=f"late result refused ({len(refused)})",
        )


def _words(history: History, attempts: Sequence[Attempt], time: TimeAxis) -> str:
    outcomes = Counter(attempt.outcome for attempt in attempts)
    said = ", ".join(f"{n:,} {BARS[name][3]}" for name, n in outcomes.most_common())
    words = (
        f"In {time.length:.0f} seconds {count(len(workers_of(attempts)), 'worker')} made "
        f"{count(len(attempts), 'attempt')}"
    )
    words += f": {said}." if said else "."
    lost = [(a, b) for a, b in retries(attempts) if a.outcome == "lost"]
    for before, after in lost[:3]:
        words += (
            f" Job {before.name} was lost with {before.worker} at {time(before.ended):.1f} s and"
            f" ran again on {after.worker} at {time(after.started or 0.0):.1f} s."
        )
    if len(lost) > 3:
        words += f" {len(lost) - 3:,} more ran again after a loss."
    return words + time.words()
