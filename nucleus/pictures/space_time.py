"""A space-time diagram (Lamport): who sent what to whom, and when it arrived.

Lifelines go down, and so does time, but not to scale: what happens within a millisecond is
drawn apart, and a long wait is short. The numbers at the side are the seconds. A message that
was lost ends at a cross half-way; only what somebody recorded as lost is drawn so.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import log1p
from typing import TYPE_CHECKING

import numpy

from nucleus.history import History
from nucleus.history.diagram import MASTER, Arrow, Diagram, Mark, draw
from nucleus.pictures.attempts import short_name
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.story import find_job
from nucleus.pictures.style import (
    DASHES,
    FAINT,
    INK,
    PAPER,
    PURPLE,
    SERIES,
    SMALL,
    VERMILION,
    WIDTH,
    count,
    dress,
    legend,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 80  # arrows and marks in one drawing
TOLD = 30  # of them in words
ROW, TIGHT = 0.27, 0.18  # inches between two things that happen, and where there are many
MANY = 40  # rows
LATE = 0.05  # seconds on the way, from which the arrival has a row of its own
SLANT = 0.45  # rows that a quicker message goes down
LONGEST = 1.5  # rows that a long wait takes up


def space_time(history: History, jobs: Collection[str]) -> Drawing:
    """Draw the messages about some jobs, named by their ids or numbers.

    Raises ``KeyError`` for a job that is not in the history.
    """
    return draw_space_time(draw(history, {find_job(history, job) for job in jobs}))


def draw_space_time(diagram: Diagram) -> Drawing:
    """Draw ``diagram`` on paper."""
    rows = _Rows(diagram)
    height = 1.5 + (ROW if rows.bottom <= MANY else TIGHT) * max(rows.bottom, 3)
    drawing = Drawing(WIDTH, height, _words(diagram, rows))
    axes = drawing.subplots()
    columns = {name: place for place, name in enumerate(diagram.lifelines)}
    _draw_frame(axes, diagram, rows)
    looks = _looks(rows.arrows)
    for arrow in rows.arrows:
        _draw_arrow(axes, arrow, columns, rows, looks[arrow.job_id], len(looks) > 1)
    for mark in rows.marks:
        _draw_mark(axes, mark, columns[mark.lifeline], rows)
    _draw_key(axes, rows, looks)
    legend(drawing)
    return drawing


class _Rows:
    """Where each thing that happened is, counted in rows from the top."""

    def __init__(self, diagram: Diagram) -> None:
        things = sorted(_things(diagram), key=lambda thing: (thing.at, thing.rank))
        kept = things[:MOST]
        self.left_out = len(things) - len(kept)
        self.start = diagram.start
        self._starts: dict[int, float] = {}  # by id of the arrow or mark
        self._ends: dict[int, float] = {}
        self.times: list[float] = []
        self.places: list[float] = []
        self.bottom = 0.0
        for thing in kept:
            self._put(thing)
        self.arrows = [arrow for arrow in diagram.arrows if id(arrow) in self._starts]
        self.marks = [mark for mark in diagram.marks if id(mark) in self._starts]

    def _put(self, thing: "_Thing") -> None:
        if self.times:
            self.bottom += 1 + min(LONGEST, log1p(thing.at - self.times[-1]))
        ends = self._ends if thing.arrival else self._starts
        ends[id(thing.about)] = self.bottom
        self.times.append(thing.at)
        self.places.append(self.bottom)

    def start_of(self, about: Arrow | Mark) -> float:
        """Where it begins."""
        return self._starts[id(about)]

    def end_of(self, arrow: Arrow) -> float:
        """Where the message arrives."""
        return self._ends.get(id(arrow), self._starts[id(arrow)] + SLANT)

    def at(self, time: float) -> float:
        """Where a time (Unix seconds) is."""
        return float(numpy.interp(time, self.times, self.places))


@dataclass(frozen=True, slots=True)
class _Thing:
    at: float
    rank: int  # of what happens at one moment: the master decides, sends, others act
    about: Arrow | Mark
    arrival: bool = False


def _things(diagram: Diagram) -> Iterator[_Thing]:
    for mark in diagram.marks:
        yield _Thing(mark.at, 0 if mark.lifeline == MASTER else 2, mark)
    for arrow in diagram.arrows:
        yield _Thing(arrow.sent, 1, arrow)
        if arrow.received is not None and arrow.received - arrow.sent > LATE:
            yield _Thing(arrow.received, 3, arrow, arrival=True)


def _looks(arrows: Sequence[Arrow]) -> dict[str, tuple[str, str]]:
    """A colour and dashes for each job, in the order in which they appear."""
    jobs = dict.fromkeys(arrow.job_id for arrow in arrows)
    return {
        job: (SERIES[n % len(SERIES)], DASHES[n % len(DASHES)]) if len(jobs) > 1 else (INK, "-")
        for n, job in enumerate(jobs)
    }


def _draw_frame(axes: "Axes", diagram: Diagram, rows: _Rows) -> None:
    dress(axes, "", y="time (s), not to scale")
    last = len(diagram.lifelines) - 1
    axes.set_xlim(-0.5, last + 0.6)
    axes.set_ylim(rows.bottom + 1, -1)
    axes.set_xticks(range(last + 1), [shorten(name) for name in diagram.lifelines])
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, labelsize=SMALL + 2)
    ticks = _ticks(rows)
    axes.set_yticks([place for place, _ in ticks], [label for _, label in ticks])
    axes.vlines(range(last + 1), -0.6, rows.bottom + 0.8, color=FAINT, linewidth=1.2, zorder=1)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)


def _ticks(rows: _Rows) -> list[tuple[float, str]]:
    """A time where it differs from the one above."""
    ticks: dict[str, float] = {}
    for time, place in zip(rows.times, rows.places, strict=True):
        ticks.setdefault(f"{time - rows.start:.3f}", place)
    return [(place, label) for label, place in ticks.items()]


def _draw_arrow(
    axes: "Axes",
    arrow: Arrow,
    columns: dict[str, int],
    rows: _Rows,
    look: tuple[str, str],
    several: bool,
) -> None:
    colour, dashes = look
    left, right = float(columns[arrow.sender]), float(columns[arrow.receiver])
    top, bottom = rows.start_of(arrow), rows.end_of(arrow)
    if arrow.received is None:
        right, bottom, colour, dashes = (left + right) / 2, top + SLANT / 2, VERMILION, ":"
    axes.annotate(
        "",
        (right, bottom),
        (left, top),
        arrowprops={
            "arrowstyle": "-|>" if arrow.received is not None else "-",
            "color": colour,
            "linestyle": dashes,
            "linewidth": 1.4,
            "shrinkA": 0,
            "shrinkB": 0,
        },
        zorder=3,
    )
    if arrow.received is None or arrow.refused:
        axes.plot(right, bottom, marker="X", markersize=9, color=VERMILION, mec=INK, zorder=5)
    label = f"{short_name(arrow.job_id)}: {arrow.what}" if several else arrow.what
    share = 0.5 if bottom - top <= 1 else 0.18  # a slow one is crossed by others further down
    above = 0.4 if arrow.received is None else 0.0  # its arrow is short, and needs to be seen
    place = left + share * (right - left), top + share * (bottom - top) - above
    _write(axes, label, place, "center")


def _draw_mark(axes: "Axes", mark: Mark, column: int, rows: _Rows) -> None:
    place = rows.start_of(mark)
    if mark.until is not None:
        end = max(rows.at(mark.until), place + 0.5)
        axes.vlines(column, place, end, color=PURPLE, linewidth=9, alpha=0.5, zorder=1.5)
    marker, colour = ("X", PURPLE) if mark.fault else ("o", INK)
    axes.plot(column, place, marker=marker, markersize=7, color=colour, mec=INK, zorder=4)
    _write(axes, mark.what, (column + 0.06, place), "left")


def _write(axes: "Axes", text: str, place: tuple[float, float], align: str) -> None:
    axes.text(
        *place,
        shorten(text, 34),
        ha=align,
        va="center",
        fontsize=SMALL,
        color=INK,
        zorder=6,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )


def _draw_key(axes: "Axes", rows: _Rows, looks: dict[str, tuple[str, str]]) -> None:
    """Entries for the legend: what is in the drawing, and nothing else."""
    for job, (colour, dashes) in looks.items():
        name = f"message about job {short_name(job)}" if job else "message"
        axes.plot([], [], color=colour, linestyle=dashes, marker=">", markersize=4, label=name)
    if any(arrow.received is None for arrow in rows.arrows):
        axes.plot([], [], color=VERMILION, linestyle=":", marker="X", mec=INK, label="lost message")
    if any(arrow.refused for arrow in rows.arrows):
        axes.plot([], [], "X", color=VERMILION, mec=INK, label="refused")
    if any(mark.fault for mark in rows.marks):
        axes.plot([], [], "X", color=PURPLE, mec=INK, label="something breaks")
    if any(mark.until is not None for mark in rows.marks):
        axes.plot([], [], color=PURPLE, linewidth=7, alpha=0.5, label="while a fault lasts")
    if any(not mark.fault for mark in rows.marks):
        axes.plot([], [], "o", color=INK, label="something happens")


def _words(diagram: Diagram, rows: _Rows) -> str:
    lost = sum(arrow.received is None for arrow in diagram.arrows)
    refused = sum(arrow.refused for arrow in diagram.arrows)
    words = f"{count(len(diagram.arrows), 'message')} between {_list(diagram.lifelines)}"
    words += f", of which {lost} were lost and {refused} refused."
    several = len({arrow.job_id for arrow in diagram.arrows if arrow.job_id}) > 1
    moments = [(arrow.sent, _of_arrow(arrow, diagram.start, several)) for arrow in diagram.arrows]
    moments += [(mark.at, f"{mark.lifeline}: {mark.what}.") for mark in diagram.marks]
    for at, said in sorted(moments, key=lambda moment: moment[0])[:TOLD]:
        words += f" At {at - diagram.start:.3f} s {said}"
    if len(moments) > TOLD:
        words += f" {len(moments) - TOLD} more follow."
    if rows.left_out:
        words += f" Only the first {MOST} things are drawn."
    return words


def _of_arrow(arrow: Arrow, start: float, several: bool) -> str:
    words = f"{arrow.sender} sends {arrow.what} to {arrow.receiver}"
    if several and arrow.job_id:
        words += f" about job {short_name(arrow.job_id)}"
    if arrow.received is None:
        return f"{words}; it is lost."
    if arrow.received - arrow.sent > LATE:
        words += f"; it arrives at {arrow.received - start:.3f} s"
    return f"{words}; it is refused." if arrow.refused else f"{words}."


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
