"""How every picture looks: colours, lines, hatches, rows of workers, and one legend.

- Colours are Okabe and Ito's, which colour-blind people can tell apart
  (https://jfly.uni-koeln.de/color/), and no meaning hangs on a colour alone: lines differ in
  their dashes, bars in their hatches, marks in their shapes.
- The paper is opaque and white, in a dark notebook too. An image cannot know the theme of the
  page around it, which the reader may change after it was drawn, and dark ink on a transparent
  ground would then vanish.
- All of it is set on the artists themselves. matplotlib's ``rcParams`` belong to the student.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER, INK, FAINT = "#FFFFFF", "#222222", "#767676"

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"

# What the colours mean, wherever jobs are drawn.
QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = ORANGE, SKY, GREEN, VERMILION, FAINT

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # for lines that only need to differ
DASHES = ("-", "--", "-.", ":")

WIDTH = 9.0  # inches
LABELS = 30  # rows that can have a label each
LABEL_HEIGHT = 0.16  # inches
SMALL = 8.0  # points


def dress(axes: "Axes", title: str = "", x: str = "", y: str = "") -> None:
    """Give ``axes`` its title, its labels with their units, and the common look."""
    axes.set_facecolor(PAPER)
    axes.set_title(title, loc="left", color=INK, fontsize=10.5)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(which="both", color=INK, labelcolor=INK, labelsize=SMALL)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))


def legend(figure: "Figure", extra: Iterable["Artist"] = ()) -> None:
    """One legend below the picture, with each label of its axes once, and ``extra``."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    for handle in extra:
        entries.setdefault(str(handle.get_label()), handle)
    if entries:
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside lower center",
            ncols=min(4, len(entries)),
            fontsize=SMALL,
            labelcolor=INK,
            facecolor=PAPER,
            edgecolor=PAPER,
        )


def by_number(names: Iterable[str]) -> list[str]:
    """Sort names as people do: worker-2 before worker-10."""
    return sorted(set(names), key=lambda name: [_key(part) for part in re.split(r"(\d+)", name)])


def _key(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


def rows_height(rows: int) -> float:
    """Inches for as many rows: roomy for a few, and never more than a screen."""
    return min(0.9 + 0.36 * max(rows, 2), 7.5)


def label_rows(axes: "Axes", names: Sequence[str], height: float) -> None:
    """Name the rows 0, 1, … of ``axes``, ``height`` inches high, from the top.

    Where labels would touch, only every second row has one, every third …
    """
    step = -(-len(names) // max(1, min(LABELS, int(height / LABEL_HEIGHT)))) or 1
    shown = range(0, len(names), step)
    axes.set_yticks(list(shown), [shorten(names[row]) for row in shown])
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)


def shorten(name: str, limit: int = 18) -> str:
    """A long name without its middle."""
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"


def count(number: int, noun: str, many: str = "") -> str:
    """``1 job``, ``1,200 jobs``."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
