"""A waiting line on a real cluster: who came when, how long they stayed, and what theory says.

Jobs come at random moments (a Poisson process: nobody knows of anybody else) and run for
random, exponentially distributed times. With one worker that is an M/M/1 queue. The jobs are
``Sleep``, so that a run takes as long as it was asked to, and the processor stays free.

- ``run_line``: one load through a real master; a :class:`Trace` of what came of it.
- ``sweep``: several loads, one after the other.
- ``draw_flow``, ``draw_hockey_stick``, ``draw_crowds``: the pictures.

(John Little, "A Proof for the Queuing Formula: L = λW", Operations Research, 1961.)
"""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy

from nucleus.client import Client
from nucleus.notebook.checks import Finding, check
from nucleus.pictures import Drawing
from nucleus.pictures.style import BLUE, FAINT, GREEN, ORANGE, SKY, WIDTH, count, dress, legend
from nucleus.sim.scale import Outcome, erlang_c, mean_wait

RUN = 0.025  # seconds of a run, on average: long beside the milliseconds that the queue adds
SECONDS = 2.5  # for which jobs come
SEED = 191  # an ordinary one: not far from what theory expects in the long run
CROWDED = 0.97  # utilisation at which the curve of the theory ends: it would go up for ever
CURVE = 40  # points of a curve

Curve = tuple[list[int], list[float]]  # x and y


@dataclass(frozen=True, slots=True)
class Stay:
    """One job in the system, in seconds since the first one came."""

    came: float
    left: float
    run: float  # that it asked for


@dataclass(frozen=True, slots=True)
class Trace:
    """Everybody who came, in that order; all of them have left."""

    offered: float  # work that came, in workers: arrival rate × mean run
    stays: tuple[Stay, ...]

    @property
    def seconds(self) -> float:
        """From the first arrival until the last one had left."""
        return max(stay.left for stay in self.stays)

    @property
    def rate(self) -> float:
        """Arrivals a second: λ."""
        return len(self.stays) / self.seconds

    @property
    def stay(self) -> float:
        """Seconds from coming to leaving, on average: W."""
        return sum(stay.left - stay.came for stay in self.stays) / len(self.stays)

    @property
    def wait(self) -> float:
        """Seconds of a stay in which nothing was done, on average."""
        return sum(stay.left - stay.came - stay.run for stay in self.stays) / len(self.stays)

    @property
    def number(self) -> float:
        """How many were there, on average over time: L.

        Each stretch of time between two changes counts with the number that was there.
        """
        steps = self.steps()
        return sum(n * (then - at) for (at, n), (then, _) in pairwise(steps)) / self.seconds

    @property
    def most(self) -> int:
        """How many were there at the worst moment."""
        return max(number for _, number in self.steps())

    def steps(self) -> list[tuple[float, int]]:
        """When the number of those who are there changed, and what it was from then on."""
        changes = [(stay.came, 1) for stay in self.stays] + [(stay.left, -1) for stay in self.stays]
        number, steps = 0, []
        for at, change in sorted(changes):
            number += change
            steps.append((at, number))
        return steps

    def on_paper(self) -> "Trace":
        """The same arrivals and runs on one worker that loses no time between two jobs."""
        free, stays = 0.0, []
        for stay in self.stays:
            free = max(free, stay.came) + stay.run
            stays.append(Stay(stay.came, free, stay.run))
        return Trace(self.offered, tuple(stays))


def run_line(
    client: Client,
    offered: float,
    *,
    seconds: float = SECONDS,
    run: float = RUN,
    seed: int = SEED,
) -> Trace:
    """Submit jobs for so many ``seconds``, wait for the last one, and return what came of them.

    ``offered`` is the work that comes, in workers: with one worker it is the utilisation, and
    above 1 more comes than can be done. ``run`` is in seconds.
    """
    rng = random.Random(seed)
    began, at, handles = time.monotonic(), 0.0, []
    while at < seconds:
        time.sleep(max(0.0, began + at - time.monotonic()))
        handles.append(client.submit("Sleep", rng.expovariate(1 / run)))
        at += rng.expovariate(offered / run)
    for handle in handles:
        handle.result()
    jobs = [client.job(handle.id) for handle in handles]
    first = jobs[0].submitted_at
    stays = (
        Stay(job.submitted_at - first, (job.finished_at or first) - first, job.payload)
        for job in jobs
    )
    return Trace(offered, tuple(stays))


def sweep(client: Client, loads: Iterable[float], *, seconds: float = SECONDS) -> list[Trace]:
    """:func:`run_line` for each of several loads, with the same luck."""
    return [run_line(client, offered, seconds=seconds) for offered in loads]


def stay_of_theory(utilisation: float, run: float = RUN) -> float:
    """Seconds that a job of an M/M/1 queue stays, on average, in the long run."""
    return run / (1 - utilisation)


def littles_law(trace: Trace) -> Finding:
    """Whether L = λW, with L from the clock, and λ and W from the jobs."""
    product = trace.rate * trace.stay
    return check(
        abs(trace.number - product) <= 1e-6 * product,
        f"L = {trace.number:.6g} jobs were there on average, and λ × W = {trace.rate:.4g} × "
        f"{trace.stay:.4g} = {product:.6g}. Little's law holds, to the last digit.",
        f"L = {trace.number:.6g}, but λ × W = {product:.6g}: somebody was not counted.",
    )


def as_theory_says(outcome: Outcome) -> Finding:
    """Whether as many jobs had to wait as in runs of a bare queue that are just as long."""
    shares = [share for share, _ in outcome.bare]
    said = (
        f"{outcome.waited:.1%} of the jobs had to wait. Erlang's formula says"
        f" {outcome.waited_theory:.1%} in the long run; {len(shares)} runs of a bare queue, as long"
        f" as this one, gave {min(shares):.1%} to {max(shares):.1%}."
    )
    room = max(shares) - min(shares) + 0.01
    return Finding(min(shares) - room <= outcome.waited <= max(shares) + room, said)


# ---- pictures -------------------------------------------------------------------------


def draw_flow(trace: Trace) -> Drawing:
    """Draw how many had come and how many had left, over time.

    Between the lines, upwards, is how many are there; to the right, how long one stays.
    """
    drawing = Drawing(WIDTH, 3.8, _flow_in_words(trace))
    axes = drawing.subplots()
    dress(axes, "Who had come, and who had left", "time (s)", "jobs so far")
    times = numpy.array([0.0, *(at for at, _ in trace.steps())])
    came, left = (
        numpy.searchsorted(numpy.sort(moments), times, side="right")
        for moments in (
            [stay.came for stay in trace.stays],
            [stay.left for stay in trace.stays],
        )
    )
    axes.fill_between(times, left, came, step="post", color=SKY, alpha=0.35, label="are there")
    axes.step(times, came, where="post", color=BLUE, linewidth=2, label="had come")
    axes.step(times, left, "--", where="post", color=GREEN, linewidth=2, label="had left")
    axes.set_xlim(0, trace.seconds)
    axes.set_ylim(bottom=0)
    legend(drawing)
    return drawing


def _flow_in_words(trace: Trace) -> str:
    return (
        f"In {trace.seconds:.1f} s {count(len(trace.stays), 'job')} came and left: λ ="
        f" {trace.rate:.3g} a second. On average a job stayed for W = {1000 * trace.stay:.3g} ms,"
        f" and L = {trace.number:.3g} were there; at the worst moment {trace.most}."
    )


def draw_hockey_stick(traces: Sequence[Trace], run: float = RUN) -> Drawing:
    """Draw how long jobs stayed on one worker, over how busy it was: measured and theory."""
    drawing = Drawing(WIDTH, 4.4, _stick_in_words(traces, run))
    axes = drawing.subplots()
    dress(axes, "How long a job stays", "utilisation (%)", "from submit to result (ms)")
    curve = numpy.linspace(0.0, CROWDED, 200)
    axes.plot(100 * curve, 1000 * run / (1 - curve), color=FAINT, linewidth=2, label="theory")
    loads = [100 * trace.offered for trace in traces]
    on_paper = [1000 * trace.on_paper().stay for trace in traces]
    measured = [1000 * trace.stay for trace in traces]
    axes.plot(loads, on_paper, "x", color=ORANGE, markersize=9, label="the same jobs on paper")
    axes.plot(loads, measured, "o", color=BLUE, label="measured")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.3 * max(*on_paper, *measured, 1000 * run))
    legend(drawing)
    return drawing


def _stick_in_words(traces: Sequence[Trace], run: float) -> str:
    said = ", ".join(
        f"{1000 * trace.stay:.0f} ms at {trace.offered:.0%} (on paper"
        f" {1000 * trace.on_paper().stay:.0f}, in the long run"
        f" {1000 * stay_of_theory(trace.offered, run):.0f})"
        for trace in traces
    )
    return f"A job that runs for {1000 * run:g} ms on average stayed {said}."


def draw_crowds(outcomes: Sequence[Outcome]) -> Drawing:
    """Draw how many jobs have to wait, and for how long, over the number of workers.

    The loads differ in nothing but that.
    """
    drawing = Drawing(WIDTH, 4.4, _crowds_in_words(outcomes))
    above, below = drawing.subplots(2, 1, sharex=True)
    dress(above, "Which share of the jobs has to wait", y="jobs (%)")
    dress(below, "How long a job waits", "workers", "mean wait (s)")
    workers = [outcome.load.workers for outcome in outcomes]
    shares, waits = _theory_of_crowds(outcomes)
    for axes, theory, measured in (
        (above, shares, [100 * outcome.waited for outcome in outcomes]),
        (below, waits, [outcome.wait for outcome in outcomes]),
    ):
        axes.plot(*theory, "-", color=FAINT, linewidth=2, label="theory (Erlang C)")
        seen = "the real ledger, simulated time"
        axes.plot(workers, measured, "o", color=BLUE, clip_on=False, zorder=3, label=seen)
        axes.set_xscale("log")
        axes.set_xticks(workers, [f"{number:,}" for number in workers])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
    legend(drawing)
    return drawing


def _theory_of_crowds(outcomes: Sequence[Outcome]) -> tuple[Curve, Curve]:
    """The share of the jobs that wait (%), and the mean wait (s), between fewest and most."""
    workers = [outcome.load.workers for outcome in outcomes]
    between = numpy.geomspace(min(workers), max(workers), CURVE)
    loads = [replace(outcomes[0].load, workers=round(number)) for number in between]
    numbers = [load.workers for load in loads]
    busy = [load.utilisation * load.workers for load in loads]
    shares = [100 * erlang_c(*pair) for pair in zip(numbers, busy, strict=True)]
    run = outcomes[0].load.run_seconds
    waits = [mean_wait(*pair, run) for pair in zip(numbers, busy, strict=True)]
    return (numbers, shares), (numbers, waits)


def _crowds_in_words(outcomes: Sequence[Outcome]) -> str:
    return " ".join(
        f"With {count(outcome.load.workers, 'worker')}, busy for"
        f" {100 * outcome.load.utilisation:.3g}% of the time, {outcome.waited:.1%} of the jobs had"
        f" to wait (theory: {outcome.waited_theory:.1%}), on average for {outcome.wait:.3g} s"
        f" (theory: {outcome.wait_theory:.3g} s)."
        for outcome in outcomes
    )
