"""``make bench`` and ``make bench-quick``."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from benchmarks.adapters import ADAPTERS, FASTEST_PEERS, load
from benchmarks.figures import Figures, Sizes
from benchmarks.processes import ROOT
from benchmarks.report import OURS, page, show, write_json, write_page, write_plot
from benchmarks.runner import Measurements, interleave

QUICK = [OURS, "nucleus-sqlite-process", *FASTEST_PEERS]
CURVE_ADAPTERS = ["nucleus-sqlite", "nucleus-memory", *FASTEST_PEERS]
PAGE = ROOT / "docs" / "performance.md"
OUTPUT = ROOT / "build" / "benchmark.json"


@click.command()
@click.option("--quick", is_flag=True, help="Throughput beside the two fastest peers only.")
@click.option("--only", multiple=True, type=click.Choice(list(ADAPTERS)), help="Repeatable.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seconds", type=float, help="Of each run; 1 for --quick, else 1.5.")
@click.option(
    "--json", "output", type=click.Path(path_type=Path), default=OUTPUT, help="Where it goes."
)
@click.option("--page/--no-page", "into_docs", default=None, help="Write docs/performance.md.")
def main(
    quick: bool,
    only: tuple[str, ...],
    rounds: int,
    seconds: float | None,
    output: Path,
    into_docs: bool | None,
) -> None:
    """Measure Nucleus beside its peers; each queue is started and stopped by this command."""
    error_console = Console(stderr=True)
    sizes = Sizes(seconds=seconds or (1.0 if quick else 1.5))
    keys = list(only) or (QUICK if quick else list(ADAPTERS))
    measured = Measurements()
    measure(keys, sizes, rounds, quick, error_console, measured)
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    # Also those that broke down later: what was measured until then counts.
    some = {key.adapter for key in measured.spreads}
    adapters = {key: load(key) for key in keys if key in some}
    console = Console()
    show(console if console.is_terminal else Console(width=170), measured, adapters)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, measured, date)
    error_console.print(f"Everything is in {output}", highlight=False)
    if into_docs or (into_docs is None and not quick and not only):
        write_plot(PAGE.with_suffix(".png"), measured, adapters)
        write_page(PAGE, page(measured, adapters, date))
    sys.exit(1 if measured.errors else 0)


def measure(
    keys: list[str], sizes: Sizes, rounds: int, quick: bool, console: Console, into: Measurements
) -> None:
    """Take all figures: throughput in every round, the rest in fewer, the curves once."""

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    figures = Figures(sizes)
    interleave(keys, [figures.throughput], rounds, load, say, into)
    if quick:
        return
    others = [figures.latency, figures.efficiency, figures.memory]
    interleave(keys, others, max(1, rounds - 1), load, say, into)
    curves = [figures.by_queue, figures.by_payload, figures.by_workers, figures.by_submitters]
    interleave([key for key in CURVE_ADAPTERS if key in keys], curves, 1, load, say, into)


if __name__ == "__main__":
    main()
