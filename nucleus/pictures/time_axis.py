"""The time axis that all pictures of one history share, and the faults shaded on it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

from nucleus.history import History
from nucleus.history.observations import Fault
from nucleus.pictures.style import BLUE, FAINT, INK, PURPLE, VERMILION, YELLOW, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL = "time (s)"
# Kinds that last: where the end of one is not known, it is the end of the history.
LASTING = ("freeze", "pause", "partition", "mute", "deaf", "slow", "drop")


class TimeAxis:
    """Seconds since ``start``, until ``end`` (both Unix seconds), and the faults in between."""

    def __init__(self, start: float, end: float, faults: Iterable[Fault] = ()) -> None:
        self.start = start
        self.end = max(end, start + 0.001)
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        for fault in faults:
            if fault.at <= self.end and self.until(fault) >= start:
                self._faults[fault.kind].append(fault)

    @classmethod
    def of(cls, history: History) -> "TimeAxis":
        """From the first observation to the last. Raises ``ValueError`` without any."""
        if not history.observations:
            raise ValueError("history: nothing was observed, so there is nothing to draw")
        faults = (seen for seen in history.observations if isinstance(seen, Fault))
        return cls(history.observations[0].at, history.observations[-1].at, faults)

    @property
    def faults(self) -> list[Fault]:
        """Those that it shows, kind by kind."""
        return [fault for faults in self._faults.values() for fault in faults]

    @property
    def length(self) -> float:
        """Seconds from the first observation to the last."""
        return self.end - self.start

    def __call__(self, at: float) -> float:
        """Where ``at`` (Unix seconds) is on the axis."""
        return at - self.start

    def fit(self, axes: "Axes") -> None:
        """Show the whole history on ``axes``."""
        axes.set_xlim(-0.01 * self.length, 1.01 * self.length)

    def shade(self, axes: "Axes", rows: Mapping[str, int] | None = None) -> None:
        """Shade the faults on ``axes``, each on the row of its target where it has one."""
        for (kind, faults), look in zip(self._faults.items(), _looks(), strict=False):
            label = f"fault: {kind} ({len(faults)})"
            moments = [fault for fault in faults if self.until(fault) <= fault.at]
            for fault in faults:
                if self.until(fault) > fault.at:
                    self._shade(axes, fault, rows, look, label)
            if moments:
                self._mark(axes, moments, rows, look, label)

    def _shade(
        self, axes: "Axes", fault: Fault, rows: Mapping[str, int] | None, look: "_Look", label: str
    ) -> None:
        axes.axvspan(
            max(0.0, self(fault.at)),
            self(self.until(fault)),
            *_span(fault.target, rows),
            facecolor=look.colour,
            edgecolor=look.colour,
            alpha=0.22,
            hatch=look.hatch,
            linewidth=0,
            zorder=0.5,
            label=label,
        )

    def _mark(
        self,
        axes: "Axes",
        faults: Sequence[Fault],
        rows: Mapping[str, int] | None,
        look: "_Look",
        label: str,
    ) -> None:
        axes.scatter(
            [self(fault.at) for fault in faults],
            [_height(fault.target, rows) for fault in faults],
            transform=axes.get_xaxis_transform(),
            marker=look.mark,
            s=45,
            color=look.colour,
            edgecolors=INK,
            linewidths=0.6,
            zorder=4,
            label=label,
        )

    def until(self, fault: Fault) -> float:
        """When a fault ended, as far as the axis goes; its beginning, when it was over at once."""
        if fault.until is None:
            return self.end if fault.kind in LASTING else fault.at
        return min(fault.until, self.end)

    def words(self) -> str:
        """The faults in a sentence, "" without any."""
        kinds = ", ".join(f"{kind} ({len(faults)})" for kind, faults in self._faults.items())
        total = sum(map(len, self._faults.values()))
        return f" Injected: {count(total, 'fault')}: {kinds}." if total else ""


class _Look(NamedTuple):
    """Of one kind of fault: its colour, a hatch where it lasts, a mark where it is over at once."""

    colour: str
    hatch: str
    mark: str


def _looks() -> Iterator[_Look]:
    """Looks without end. Two that share their colour differ in the rest."""
    colours = cycle((PURPLE, BLUE, FAINT, YELLOW, VERMILION, INK))
    hatches = cycle(("///", "\\\\\\", "...", "xxx", "|||", "---", "++"))
    return map(_Look, colours, hatches, cycle("vP*d^sp"))


def _span(target: str, rows: Mapping[str, int] | None) -> tuple[float, float]:
    """Which part of the height of the axes shows the target: 0 is the bottom, 1 the top."""
    if rows is None or target not in rows:
        return 0.0, 1.0
    top = 1 - rows[target] / len(rows)
    return top - 1 / len(rows), top


def _height(target: str, rows: Mapping[str, int] | None) -> float:
    """Where a mark stands: in the row of its target, or else at the very top."""
    low, high = _span(target, rows)
    return (low + high) / 2 if rows and target in rows else 0.95
