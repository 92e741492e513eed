"""Queue depth and heartbeat ages as a small SVG, cheap enough to be drawn every second.

The picture for the end of a lesson is ``nucleus.pictures.queue_and_heartbeats``; to draw that
takes a hundred times as long.
"""

import html
import math
from collections.abc import Callable, Sequence

from nucleus.history.observations import Fault
from nucleus.pictures import Sample
from nucleus.pictures.style import FAILED, GREEN, ORANGE, PURPLE, QUEUED, RUNNING, SKY, VERMILION
from nucleus.pictures.time_axis import TimeAxis

WIDTH, HEIGHT = 640, 130  # of one plot, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 52, 150, 22, 22  # margins: numbers, legend, title, time
POINTS = 240  # for each line; older samples are left out
SHOWN = 6  # workers, those that have been silent for longest
SHADE = 'fill="currentColor" fill-opacity="0.25"'
FRAME = 'fill="none" stroke="currentColor" stroke-opacity="0.35"'

# Each colour has dashes of its own.
JOBS = (("queued", QUEUED, ""), ("running", RUNNING, "7 3"), ("failed", FAILED, "2 3"))
WORKERS = (SKY, VERMILION, PURPLE, GREEN, ORANGE)  # what can be seen in both themes
DASHES = ("", "7 3", "2 3", "9 3 2 3")

Line = tuple[str, str, str, Callable[[Sample], float | None]]  # label, colour, dashes, value


def say(samples: Sequence[Sample], timeout: float) -> str:
    """The last sample in words."""
    last = samples[-1]
    jobs = ", ".join(f"{last.jobs.get(status, 0.0):,.0f} {status}" for status, *_ in JOBS)
    silent = [name for name, age in sorted(last.heartbeat_age.items()) if age > timeout]
    words = f"Jobs: {jobs}, {last.jobs.get('completed', 0.0):,.0f} completed. "
    return words + (f"Silent: {', '.join(silent)}." if silent else "No worker is silent.")


def chart(samples: Sequence[Sample], timeout: float, faults: Sequence[Fault] = ()) -> str:
    """Two plots over the same seconds: jobs by status, and ages of heartbeats.

    ``timeout`` is the age, in seconds, at which a worker is lost. ``faults`` are shaded.
    """
    recent = samples[-POINTS:]
    time = TimeAxis(recent[0].at, max(recent[-1].at, recent[0].at + 1.0), faults)
    words = say(samples, timeout) + time.words()
    jobs: list[Line] = [
        (status, colour, dashes, _jobs_of(status)) for status, colour, dashes in JOBS
    ]
    ages: list[Line] = [
        (name, WORKERS[n % len(WORKERS)], DASHES[n % len(DASHES)], _age_of(name))
        for n, name in enumerate(_longest_silent(recent))
    ]
    limit: Line = (f"lost at {timeout:g} s", "currentColor", "4 4", lambda _: timeout)
    plots = _plot(recent, time, jobs, "jobs", 0)
    plots += _plot(recent, time, [*ages, limit], "heartbeat age (s)", 1)
    return (
        f'<svg viewBox="0 0 {WIDTH} {2 * HEIGHT}" role="img" aria-label="{html.escape(words)}"'
        ' style="width:100%;max-width:760px;font:11px sans-serif" fill="currentColor">'
        f"{plots}</svg>"
    )


def _jobs_of(status: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.jobs.get(status, 0.0)


def _age_of(worker: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.heartbeat_age.get(worker)


def _longest_silent(samples: Sequence[Sample]) -> list[str]:
    ages = samples[-1].heartbeat_age
    silent = sorted(ages, key=lambda name: -ages[name])[:SHOWN]
    return sorted(silent, key=lambda name: (len(name), name))


def _plot(
    samples: Sequence[Sample], time: TimeAxis, lines: Sequence[Line], unit: str, row: int
) -> str:
    values = [[read(sample) for sample in samples] for *_, read in lines]
    top = _round_up(max((v for column in values for v in column if v is not None), default=1.0))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [
        *(_shade(fault, time, width, height) for fault in time.faults),
        f'<text x="{LEFT}" y="{TOP - 8}" font-weight="600">{unit}</text>',
        f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{height}" {FRAME}/>',
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{top:,g}</text>',
        f'<text x="{LEFT - 6}" y="{TOP + height}" text-anchor="end">0</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{-time.length:.0f} s</text>',
        f'<text x="{LEFT + width}" y="{HEIGHT - 6}" text-anchor="end">now</text>',
    ]
    x = LEFT + width + 12
    for number, ((label, colour, dashes, _), column) in enumerate(zip(lines, values, strict=True)):
        points = " ".join(
            f"{LEFT + width * time(sample.at) / time.length:.1f},"
            f"{TOP + height * (1 - value / top):.1f}"
            for sample, value in zip(samples, column, strict=True)
            if value is not None
        )
        stroke = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        y = TOP + 8 + 14 * number
        parts += [
            f'<polyline points="{points}" {stroke}/>',
            f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" {stroke}/>',
            f'<text x="{x + 32}" y="{y}">{html.escape(label)}</text>',
        ]
    if time.faults:
        y = TOP + 8 + 14 * len(lines)
        parts += [
            f'<rect x="{x}" y="{y - 9}" width="26" height="10" {SHADE}/>',
            f'<text x="{x + 32}" y="{y}">fault</text>',
        ]
    return f'<g transform="translate(0 {row * HEIGHT})">{"".join(parts)}</g>'


def _shade(fault: Fault, time: TimeAxis, width: float, height: float) -> str:
    """As long as the fault lasted; a thin line where it was over at once."""
    begin, end = (max(0.0, time(at)) / time.length for at in (fault.at, time.until(fault)))
    return (
        f'<rect x="{LEFT + width * begin:.1f}" y="{TOP}" height="{height}" {SHADE}'
        f' width="{max(2.0, width * (end - begin)):.1f}">'
        f"<title>{html.escape(f'fault: {fault.kind} of {fault.target}')}</title></rect>"
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 …: an axis that does not change with every sample."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
