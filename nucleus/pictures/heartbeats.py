"""When each worker was heard, and where its silence fell off the cliff of the timeout.

A row for each worker: a stroke for each heartbeat, a pale band where it was silent for longer
than usual, and from the moment at which the silence reached the timeout, a hatched one. A
master that begins to serve, or wakes up, gives everybody a fresh allowance.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.collections import PolyCollection

from nucleus.core.events import WorkerJoined, WorkerLeft, WorkerLost
from nucleus.history import History
from nucleus.history.observations import Beat, Committed, Serving
from nucleus.history.what_if import Allowance, lives_of, recorded_interval
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.style import (
    BLUE,
    INK,
    PAPER,
    VERMILION,
    WIDTH,
    YELLOW,
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

UNUSUAL = 1.6  # times the usual interval: a silence that is worth showing

Band = tuple[float, float]  # Unix seconds


@dataclass(slots=True)
class Heard:
    """What was heard of one worker. Times in Unix seconds."""

    beats: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)  # the master gave it up
    marks: list[tuple[float, bool]] = field(default_factory=list)  # when; counts silence from here
    quiet: list[Band] = field(default_factory=list)  # longer than usual
    beyond: list[Band] = field(default_factory=list)  # longer than the timeout


def heard_of(history: History) -> dict[str, Heard]:
    """What was heard of each worker, by name, in the order of the names."""
    heard: dict[str, Heard] = defaultdict(Heard)
    for seen in history.observations:
        match seen:
            case Beat(at=at, worker=worker):
                heard[worker].beats.append(at)
                heard[worker].marks.append((at, True))
            case Committed(at=at, event=WorkerJoined(worker=worker)):
                heard[worker].marks.append((at, True))
            case Committed(at=at, event=WorkerLeft(worker=worker)):
                heard[worker].marks.append((at, False))
            case Committed(at=at, event=WorkerLost(worker=worker)):
                heard[worker].lost.append(at)
    _find_silences(history, heard)
    return {name: heard[name] for name in by_number(heard)}


def _find_silences(history: History, heard: Mapping[str, Heard]) -> None:
    allowance = Allowance(history)
    usual = UNUSUAL * recorded_interval(history, lives_of(history))
    for one in heard.values():
        for begin, until in _gaps(one.marks, history.observations[-1].at):
            cliff = allowance.deadline(begin, history.worker_timeout)
            if until - begin > usual:
                one.quiet.append((begin, min(until, cliff)))
            if until > cliff:
                one.beyond.append((cliff, until))


def _gaps(marks: Sequence[tuple[float, bool]], end: float) -> Iterator[Band]:
    for (begin, counts), (until, _) in pairwise([*marks, (end, False)]):
        if counts:
            yield begin, until


def heartbeats(history: History) -> Drawing:
    """Draw the heartbeats of each worker over the seconds of the history."""
    heard, time = heard_of(history), TimeAxis.of(history)
    height = rows_height(len(heard))
    drawing = Drawing(WIDTH, height + 1.1, _words(history, heard, time))
    axes = drawing.subplots()
    draw_heartbeats(axes, history, time, heard, height)
    axes.set_xlabel(LABEL)
    legend(drawing)
    return drawing


def draw_heartbeats(
    axes: "Axes", history: History, time: TimeAxis, heard: Mapping[str, Heard], height: float
) -> None:
    """Draw the raster on ``axes``, ``height`` inches high."""
    dress(axes, "When each worker was heard")
    rows = {name: row for row, name in enumerate(heard)}
    label_rows(axes, list(heard), height)
    time.fit(axes)
    quiet = [(rows[name], *band) for name, one in heard.items() for band in one.quiet]
    beyond = [(rows[name], *band) for name, one in heard.items() for band in one.beyond]
    timeout = f"{history.worker_timeout:g} s"
    _draw_bands(axes, time, quiet, YELLOW, YELLOW, "", "silent for longer than usual")
    _draw_bands(axes, time, beyond, PAPER, VERMILION, "////", f"silent for more than {timeout}")
    cliffs = [(band[1], band[0]) for band in beyond]
    _draw_strokes(axes, time, cliffs, VERMILION, 2.5, 0.45, f"the cliff: {timeout} of silence")
    beats = [(at, rows[name]) for name, one in heard.items() for at in one.beats]
    _draw_strokes(axes, time, beats, BLUE, 1.0, 0.3, f"heartbeat ({len(beats):,})")
    _draw_given_up(axes, time, [(at, rows[n]) for n, one in heard.items() for at in one.lost])
    _draw_serving(axes, history, time)
    time.shade(axes, rows)


def _draw_bands(
    axes: "Axes",
    time: TimeAxis,
    bands: Sequence[tuple[int, float, float]],
    colour: str,
    edge: str,
    hatch: str,
    label: str,
) -> None:
    corners = [
        [(time(a), row - 0.32), (time(b), row - 0.32), (time(b), row + 0.32), (time(a), row + 0.32)]
        for row, a, b in bands
    ]
    if corners:
        axes.add_collection(
            PolyCollection(
                corners,
                facecolors=colour,
                edgecolors=edge,
                linewidths=0.5,
                hatch=hatch,
                label=label,
                zorder=1.5,
            )
        )


def _draw_strokes(
    axes: "Axes",
    time: TimeAxis,
    strokes: Sequence[tuple[float, int]],
    colour: str,
    width: float,
    half: float,
    label: str,
) -> None:
    if strokes:
        axes.vlines(
            [time(at) for at, _ in strokes],
            [row - half for _, row in strokes],
            [row + half for _, row in strokes],
            colors=colour,
            linewidth=width,
            label=label,
            zorder=2.5,
        )


def _draw_given_up(axes: "Axes", time: TimeAxis, lost: Sequence[tuple[float, int]]) -> None:
    if lost:
        axes.scatter(
            [time(at) for at, _ in lost],
            [row for _, row in lost],
            marker="X",
            s=48,
            color=VERMILION,
            edgecolors=INK,
            linewidths=0.6,
            zorder=5,
            label=f"given up on ({len(lost)})",
        )


def _draw_serving(axes: "Axes", history: History, time: TimeAxis) -> None:
    for seen in history.observations:
        if isinstance(seen, Serving):
            axes.axvline(
                time(seen.at),
                color=INK,
                linestyle="--",
                linewidth=1,
                zorder=1,
                label="a master begins to serve, or wakes up",
            )


def _words(history: History, heard: Mapping[str, Heard], time: TimeAxis) -> str:
    beats = sum(len(one.beats) for one in heard.values())
    silent = [name for name, one in heard.items() if one.beyond]
    lost = [(name, at) for name, one in heard.items() for at in one.lost]
    words = (
        f"In {time.length:.0f} seconds {count(beats, 'heartbeat')} of"
        f" {count(len(heard), 'worker')} arrived."
    )
    timeout = f"{history.worker_timeout:g} s"
    if silent:
        shown = ", ".join(silent[:8]) + (" …" if len(silent) > 8 else "")
        words += f" Silent for more than {timeout}: {shown}."
    else:
        words += f" Nobody was silent for more than {timeout}."
    for name, at in lost[:3]:
        words += f" The master gave up on {name} at {time(at):.1f} s."
    if len(lost) > 3:
        words += f" It gave up {len(lost) - 3:,} times more."
    return words + time.words()
