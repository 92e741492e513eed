"""Queue depth and heartbeat ages over time, from samples of the scrape endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nucleus.core.limits import Limits
from nucleus.history.observations import Fault
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.style import (
    COMPLETED,
    DASHES,
    FAINT,
    QUEUED,
    RUNNING,
    SERIES,
    WIDTH,
    by_number,
    count,
    dress,
    legend,
)
from nucleus.pictures.time_axis import LABEL, TimeAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIMEOUT = Limits().worker_timeout  # seconds of silence after which a worker is lost
NAMED = 12  # workers that have a line of their own in the legend


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the scrape endpoint."""

    at: float  # Unix seconds
    jobs: dict[str, float] = field(default_factory=dict)  # by status, lower case
    heartbeat_age: dict[str, float] = field(default_factory=dict)  # seconds, by worker


def queue_and_heartbeats(samples: Sequence[Sample], faults: Sequence[Fault] = ()) -> Drawing:
    """Draw jobs by status above heartbeat ages by worker, over the same seconds.

    The scrape endpoint knows nothing of ``faults``: who injects them does, and they are shaded.
    Raises ``ValueError`` without samples.
    """
    if not samples:
        raise ValueError("samples: none were taken; run the sampler for some seconds first")
    time = TimeAxis(samples[0].at, samples[-1].at, faults)
    drawing = Drawing(WIDTH, 5.6, _words(samples) + time.words())
    above, below = drawing.subplots(2, 1, sharex=True)
    seconds = [time(sample.at) for sample in samples]
    _draw_jobs(above, seconds, samples)
    _draw_ages(below, seconds, samples)
    for axes in (above, below):
        time.fit(axes)
        time.shade(axes)
    legend(drawing)
    return drawing


def _draw_jobs(axes: "Axes", seconds: list[float], samples: Sequence[Sample]) -> None:
    dress(axes, "The queue, as Prometheus would see it", y="jobs")
    for status, colour, line in (
        ("queued", QUEUED, "-"),
        ("running", RUNNING, "--"),
        ("completed", COMPLETED, ":"),
    ):
        counts = [sample.jobs.get(status, 0.0) for sample in samples]
        axes.step(seconds, counts, where="post", color=colour, linestyle=line, label=status, lw=2)
    axes.set_ylim(bottom=0)


def _draw_ages(axes: "Axes", seconds: list[float], samples: Sequence[Sample]) -> None:
    dress(axes, "How long ago each worker was heard", LABEL, "heartbeat age (s)")
    names = by_number(name for sample in samples for name in sample.heartbeat_age)
    for index, name in enumerate(names):
        ages = [sample.heartbeat_age.get(name, float("nan")) for sample in samples]
        axes.plot(
            seconds,
            ages,
            color=SERIES[index % len(SERIES)],
            linestyle=DASHES[index % len(DASHES)],
            linewidth=2 if len(names) <= NAMED else 0.8,
            label=name if len(names) <= NAMED else f"one of {count(len(names), 'worker')}",
        )
    axes.axhline(TIMEOUT, color=FAINT, linewidth=1, label=f"{TIMEOUT:g} s: lost")
    axes.set_ylim(bottom=0)


def _words(samples: Sequence[Sample]) -> str:
    last = samples[-1]
    length = last.at - samples[0].at
    deepest = max(sample.jobs.get("queued", 0.0) for sample in samples)
    silent = [name for name, age in sorted(last.heartbeat_age.items()) if age > TIMEOUT]
    words = f"Over {length:.0f} seconds at most {deepest:.0f} jobs were queued; "
    words += f"{last.jobs.get('completed', 0.0):.0f} were completed at the end. "
    return words + (f"Silent: {', '.join(silent)}." if silent else "No worker fell silent.")
