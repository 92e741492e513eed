"""Queue depth and heartbeat ages over time, from samples of the scrape endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TIMEOUT = 10.0  # seconds of silence after which a worker is lost
# From Okabe and Ito's set, which colour-blind people can tell apart.
QUEUED, RUNNING, DONE = "#E69F00", "#56B4E9", "#009E73"
WORKERS = ("#0072B2", "#D55E00", "#CC79A7", "#009E73", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the scrape endpoint."""

    at: float  # Unix seconds
    jobs: dict[str, float] = field(default_factory=dict)  # by status, lower case
    heartbeat_age: dict[str, float] = field(default_factory=dict)  # seconds, by worker


def queue_and_heartbeats(samples: Sequence[Sample]) -> "Figure":
    """Draw jobs by status above heartbeat ages by worker, over the same seconds.

    Raises ``ValueError`` without samples.
    """
    if not samples:
        raise ValueError("samples: none were taken; run the sampler for some seconds first")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(
        2, 1, sharex=True, figsize=(8, 5.2), layout="constrained"
    )
    pyplot.close(figure)  # else a notebook shows it twice
    seconds = [sample.at - samples[0].at for sample in samples]
    _draw_jobs(above, seconds, samples)
    _draw_ages(below, seconds, samples)
    return figure


def _draw_jobs(axes: "Axes", seconds: list[float], samples: Sequence[Sample]) -> None:
    for status, colour, line in (
        ("queued", QUEUED, "-"),
        ("running", RUNNING, "--"),
        ("completed", DONE, ":"),
    ):
        counts = [sample.jobs.get(status, 0.0) for sample in samples]
        axes.step(seconds, counts, where="post", color=colour, linestyle=line, label=status, lw=2)
    axes.set_ylabel("jobs")
    axes.set_ylim(bottom=0)
    axes.set_title("The queue, as Prometheus would see it", loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_ages(axes: "Axes", seconds: list[float], samples: Sequence[Sample]) -> None:
    names = sorted({name for sample in samples for name in sample.heartbeat_age})
    for index, name in enumerate(names):
        ages = [sample.heartbeat_age.get(name, float("nan")) for sample in samples]
        colour, line = WORKERS[index % len(WORKERS)], LINES[index % len(LINES)]
        axes.plot(seconds, ages, color=colour, linestyle=line, label=name, lw=2)
    axes.axhline(TIMEOUT, color="#777777", lw=1, label=f"{TIMEOUT:.0f} s: lost")
    axes.set_ylabel("heartbeat age (s)")
    axes.set_xlabel("time (s)")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def describe(samples: Sequence[Sample]) -> str:
    """The same picture in words."""
    last = samples[-1]
    length = last.at - samples[0].at
    deepest = max(sample.jobs.get("queued", 0.0) for sample in samples)
    silent = [name for name, age in sorted(last.heartbeat_age.items()) if age > TIMEOUT]
    words = f"Over {length:.0f} seconds at most {deepest:.0f} jobs were queued; "
    words += f"{last.jobs.get('completed', 0.0):.0f} were completed at the end. "
    return words + (f"Silent: {', '.join(silent)}." if silent else "No worker fell silent.")
