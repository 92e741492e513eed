"""What an invocation shows and leaves: a table, a JSON file, a page for the docs and a plot."""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import figures as f
from benchmarks.adapter import Adapter, Way
from benchmarks.runner import Measurements, Spread

BEGIN = "<!-- measured: written by `make bench`, do not edit -->"
END = "<!-- /measured -->"
OURS = "nucleus-sqlite"  # the durable one whose number is the headline


def ratios(measured: Measurements) -> dict[str, float]:
    """Return our durable jobs/s over those of the fastest peer, by the way to submit."""
    found: dict[str, float] = {}
    for way in Way:
        ours = measured.median(f.THROUGHPUT, OURS, Way.EACH if way is Way.EXECUTED else way)
        best = fastest_peer(measured, way)
        if ours is not None and best is not None:
            found[way] = ours / best[1]
    return found


def fastest_peer(measured: Measurements, way: Way) -> tuple[str, float] | None:
    """Return the peer with the most jobs/s by this way, and its median.

    A peer that offers nothing of the kind is compared with its only call: it has no faster
    way to hand in a batch, and it waits for the acknowledgement unless it returns early.
    """
    rates: dict[str, float] = {}
    for key, spread in measured.spreads.items():
        if key.figure != f.THROUGHPUT or key.adapter.startswith("nucleus"):
            continue
        stands_in = key.at == Way.EACH and (
            way is Way.BATCH or (way is Way.ACKNOWLEDGED and key.adapter in measured.waiting)
        )
        if key.at == way or stands_in:
            rates[key.adapter] = max(rates.get(key.adapter, 0.0), spread.median)
    return max(rates.items(), key=lambda item: item[1]) if rates else None


def machine() -> dict[str, str]:
    """Return what the numbers depend on, the versions apart."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def as_json(measured: Measurements, date: str) -> dict[str, Any]:
    """Return everything that was measured."""
    return {
        "date": date,
        "machine": machine(),
        "versions": measured.versions,
        "ratios": ratios(measured),
        "errors": measured.errors,
        "measured": [
            {**key._asdict(), "median": spread.median, "values": list(spread.values)}
            for key, spread in measured.spreads.items()
        ],
    }


# ---- tables ----------------------------------------------------------------------------

THROUGHPUT_HEADER = (
    "queue", "submits", "waits for the answer", "jobs/s", "spread", "CPU µs/job",
    "acknowledged submit",
)  # fmt: skip


def throughput_rows(measured: Measurements, adapters: dict[str, Adapter]) -> list[tuple[str, ...]]:
    """Return a row for each queue and way, the fastest first."""
    found = [key for key in measured.spreads if key.figure == f.THROUGHPUT]
    found.sort(key=lambda key: -measured.spreads[key].median)
    rows: list[tuple[str, ...]] = []
    for key in found:
        adapter = adapters[key.adapter]
        spread = measured.spreads[key]
        waits = key.at == Way.ACKNOWLEDGED or not adapter.returns_early
        cpu = measured.median(f.CPU, key.adapter, key.at) or 0.0
        rows.append(
            (adapter.name, key.at, "yes" if waits else "no", _number(spread.median),
             _range(spread), _number(cpu), adapter.durability)
        )  # fmt: skip
    return rows


OTHER_HEADER = (
    "queue", "latency p50 ms", "p99 ms", "× unary call", "share of Pool.map", "bytes/queued job",
)  # fmt: skip


def other_rows(measured: Measurements, adapters: dict[str, Adapter]) -> list[tuple[str, ...]]:
    """Return a row for each queue: latency, work for the processor, memory."""
    rows: list[tuple[str, ...]] = []
    for key, adapter in adapters.items():
        half = measured.median(f.P50, key)
        if half is None:
            continue
        bare = measured.median(f.UNARY_P50, key)
        values = (
            half,
            measured.median(f.P99, key),
            half / bare if bare else None,
            measured.median(f.EFFICIENCY, key),
            measured.median(f.MEMORY, key),
        )
        rows.append((adapter.name, *("–" if value is None else _number(value) for value in values)))
    return rows


CURVES = (f.BY_QUEUE, f.BY_PAYLOAD, f.BY_WORKERS, f.BY_SUBMITTERS)


def curve_rows(
    measured: Measurements, adapters: dict[str, Adapter], figure: str
) -> list[tuple[str, ...]]:
    """Return a table of a scaling curve, its header first."""
    curves = {key: dict(measured.curve(figure, key)) for key in adapters}
    places = sorted({place for curve in curves.values() for place in curve})
    rows = [(figure, *(f"{place:,.0f}" for place in places))]
    for key, curve in curves.items():
        if curve:
            values = (_number(curve[place]) if place in curve else "–" for place in places)
            rows.append((adapters[key].name, *values))
    return rows if len(rows) > 1 else []


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _range(spread: Spread) -> str:
    return f"{_number(spread.low)} to {_number(spread.high)}"


def show(console: Console, measured: Measurements, adapters: dict[str, Adapter]) -> None:
    """Print the tables and the ratios."""
    for header, rows in _tables(measured, adapters):
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in headline(measured, adapters):
        console.print(line, highlight=False)
    for key, error in measured.errors.items():
        console.print(f"{key} failed: {error}", markup=False, highlight=False)


def headline(measured: Measurements, adapters: dict[str, Adapter]) -> list[str]:
    """Return one sentence for each ratio."""
    sentences = []
    for way, ratio in ratios(measured).items():
        best = fastest_peer(measured, Way(way))
        assert best is not None
        peer = adapters[best[0]].name
        sentences.append(
            f"Nucleus, durable, over the fastest peer, {way}: {ratio:.1f} times ({peer})."
        )
    return sentences


def _tables(
    measured: Measurements, adapters: dict[str, Adapter]
) -> list[tuple[Sequence[str], list[tuple[str, ...]]]]:
    tables: list[tuple[Sequence[str], list[tuple[str, ...]]]] = [
        (THROUGHPUT_HEADER, throughput_rows(measured, adapters)),
        (OTHER_HEADER, other_rows(measured, adapters)),
    ]
    for figure in CURVES:
        rows = curve_rows(measured, adapters, figure)
        if rows:
            tables.append((rows[0], rows[1:]))
    return [table for table in tables if table[1]]


# ---- the page --------------------------------------------------------------------------


def page(measured: Measurements, adapters: dict[str, Adapter], date: str) -> str:
    """Return the generated part of the page."""
    versions = ", ".join(f"{name} {version}" for name, version in measured.versions.items())
    about = machine()
    parts = [
        f"Measured on {date}: {about['cores']} cores, {about['processor']}, {about['system']}, "
        f"Python {about['python']}. Versions: {versions}.",
        *(f"- {sentence}" for sentence in headline(measured, adapters)),
        "![The figures](performance.png)",
        *(_markdown(header, rows) for header, rows in _tables(measured, adapters)),
        *(f"{key} failed and is left out: `{error.splitlines()[0]}`."
          for key, error in measured.errors.items()),
    ]  # fmt: skip
    return "\n\n".join(parts).replace(".\n\n- ", ".\n- ")


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_page(path: Path, generated: str) -> None:
    """Put the generated part between its marks; what people wrote around them stays."""
    text = path.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}", "utf-8")


def write_json(path: Path, measured: Measurements, date: str) -> None:
    """Write everything that was measured."""
    path.write_text(json.dumps(as_json(measured, date), indent=1) + "\n", "utf-8")


# ---- the plot --------------------------------------------------------------------------


def write_plot(path: Path, measured: Measurements, adapters: dict[str, Adapter]) -> None:
    """Draw jobs/s of every queue, and the scaling curves."""
    from matplotlib.figure import Figure

    drawn = [figure for figure in CURVES if curve_rows(measured, adapters, figure)]
    rows = 1 + (len(drawn) + 1) // 2
    picture = Figure(figsize=(11, 2.5 + 3 * rows), layout="constrained")
    grid = picture.add_gridspec(rows, 2, height_ratios=[1.6, *[1] * (rows - 1)])
    _draw_bars(picture.add_subplot(grid[0, :]), measured, adapters)
    for number, figure in enumerate(drawn):
        axes = picture.add_subplot(grid[1 + number // 2, number % 2])
        places: set[float] = set()
        for key, adapter in adapters.items():
            if curve := measured.curve(figure, key):
                axes.plot(*zip(*curve, strict=True), marker="o", label=adapter.name)
                places.update(place for place, _ in curve)
        what, by = figure.split(" by ")
        axes.set(xscale="log", yscale="log", ylabel=what, xlabel=by)
        _plain_numbers(axes, sorted(places))
        axes.grid(alpha=0.3)
        if number == 0:
            axes.legend(fontsize="small")
    picture.savefig(path, dpi=110)


def _plain_numbers(axes: Any, measured_at: Sequence[float]) -> None:
    """Mark where was measured, and write 20,000 for what is 2 × 10⁴ otherwise."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    plain = FuncFormatter(lambda value, _: f"{value:,.0f}")
    axes.set_xticks(measured_at)
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(axes.get_ylim()[0] / 1.5, axes.get_ylim()[1] * 1.5)


def _draw_bars(axes: Any, measured: Measurements, adapters: dict[str, Adapter]) -> None:
    """One call per job, results known to the caller; lines show the spread."""
    bars = [
        (adapters[key.adapter], spread)
        for key, spread in measured.spreads.items()
        if key.figure == f.THROUGHPUT and key.at == Way.EACH
    ]
    bars.sort(key=lambda bar: bar[1].median)
    middles = [spread.median for _, spread in bars]
    axes.barh(
        [adapter.name for adapter, _ in bars],
        middles,
        xerr=[
            [spread.median - spread.low for _, spread in bars],
            [spread.high - spread.median for _, spread in bars],
        ],
        color=["tab:blue" if "fsync" in adapter.durability else "tab:gray" for adapter, _ in bars],
    )
    axes.bar_label(axes.containers[-1], [f" {value:,.0f}" for value in middles])
    axes.set(
        xscale="log",
        xlabel="jobs/s",
        title="No-op jobs, one call per job (blue: fsynced before acknowledged)",
    )
    axes.set_xlim(right=2 * max(middles))  # room for the numbers
