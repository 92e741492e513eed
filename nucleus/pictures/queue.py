"""How deep the queue was, and how fast jobs went through it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy

from nucleus.core.events import JobCancelled, JobCompleted, JobFailed, JobSubmitted
from nucleus.core.lifecycle import TRANSITIONS, Status
from nucleus.history import History
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.style import (
    BLUE,
    COMPLETED,
    FAILED,
    QUEUED,
    RUNNING,
    WIDTH,
    count,
    dress,
    legend,
)
from nucleus.pictures.time_axis import LABEL, TimeAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOWS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)  # seconds
MOST_WINDOWS = 100  # in a picture

ENDS = {JobCompleted: "completed", JobFailed: "failed", JobCancelled: "cancelled"}


@dataclass(slots=True)
class Flow:
    """Jobs over time. Times in seconds since the start of the history."""

    times: list[float] = field(default_factory=lambda: [0.0])  # when a count below changed
    queued: list[int] = field(default_factory=lambda: [0])  # jobs, from then on
    running: list[int] = field(default_factory=lambda: [0])
    submitted_at: list[float] = field(default_factory=list)
    ended_at: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in ENDS.values()}
    )

    def note(self, at: float, queued: int, running: int) -> None:
        """The counts from ``at`` on; what is committed together shows only as a whole."""
        if self.times[-1] == at:
            self.queued[-1], self.running[-1] = queued, running
            return
        self.times.append(at)
        self.queued.append(queued)
        self.running.append(running)


def flow_of(history: History, time: TimeAxis) -> Flow:
    """Count the jobs of a history. Moves that the lifecycle does not know are not counted."""
    flow = Flow()
    statuses: dict[str, Status] = {}
    counts: Counter[Status | None] = Counter()
    for seen in history.events():
        job_id = getattr(seen.event, "job_id", "")
        before = statuses.get(job_id)
        after = TRANSITIONS.get((before, type(seen.event)))
        if after is None:
            continue
        statuses[job_id] = after
        counts[before] -= 1
        counts[after] += 1
        at = time(seen.at)
        flow.note(at, counts[Status.QUEUED], counts[Status.RUNNING])
        if isinstance(seen.event, JobSubmitted):
            flow.submitted_at.append(at)
        elif end := ENDS.get(type(seen.event)):
            flow.ended_at[end].append(at)
    return flow


def queue_and_throughput(history: History) -> Drawing:
    """Draw queued and running jobs above submitted and ended jobs per second."""
    time = TimeAxis.of(history)
    flow = flow_of(history, time)
    drawing = Drawing(WIDTH, 5.4, _words(flow, time))
    above, below = drawing.subplots(2, 1, sharex=True)
    draw_depth(above, flow, time)
    _draw_throughput(below, flow, time)
    below.set_xlabel(LABEL)
    legend(drawing)
    return drawing


def draw_depth(axes: "Axes", flow: Flow, time: TimeAxis) -> None:
    """Draw how many jobs wait, and how many are leased."""
    dress(axes, "How many jobs wait, and how many are with workers", y="jobs")
    times = [*flow.times, time.length]
    for name, counts, colour, line in (
        ("queued", flow.queued, QUEUED, "-"),
        ("with a worker", flow.running, RUNNING, "--"),
    ):
        axes.step(
            times,
            [*counts, counts[-1]],
            where="post",
            color=colour,
            linestyle=line,
            linewidth=2,
            label=name,
        )
    axes.set_ylim(0, 1.08 * max(1, *flow.queued, *flow.running))
    time.fit(axes)
    time.shade(axes)


def _draw_throughput(axes: "Axes", flow: Flow, time: TimeAxis) -> None:
    window = window_for(time.length)
    dress(axes, f"Throughput, counted every {window:g} s", y="jobs per second")
    edges = numpy.arange(0, time.length + window, window)
    for name, moments, colour, line in (
        ("submitted", flow.submitted_at, BLUE, ":"),
        ("completed", flow.ended_at["completed"], COMPLETED, "-"),
        ("failed", flow.ended_at["failed"], FAILED, "-."),
    ):
        rates = numpy.histogram(moments, edges)[0] / window
        if rates.any():
            axes.stairs(
                rates, edges, color=colour, linestyle=line, linewidth=2, label=name, baseline=None
            )
    axes.set_ylim(bottom=0)
    time.fit(axes)
    time.shade(axes)


def window_for(seconds: float) -> float:
    """The shortest window, in seconds, of which not too many fit into a picture."""
    return next((w for w in WINDOWS if seconds / w <= MOST_WINDOWS), WINDOWS[-1])


def _words(flow: Flow, time: TimeAxis) -> str:
    deepest = max(flow.queued)
    when = flow.times[flow.queued.index(deepest)]
    ends = ", ".join(f"{len(at):,} {name}" for name, at in flow.ended_at.items())
    rate = len(flow.ended_at["completed"]) / time.length
    return (
        f"In {time.length:.0f} seconds {count(len(flow.submitted_at), 'job')} came in; {ends}."
        f" The queue was deepest at {when:.1f} s, with {count(deepest, 'job')} waiting."
        f" On average {rate:.3g} jobs per second were completed."
        f" At the end {flow.queued[-1]:,} wait and {flow.running[-1]:,} are with workers."
    ) + time.words()
