"""``nucleus sim --workers``: thousands of workers through the real ledger, against theory."""

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from nucleus.cli.output import duration, print_json, table
from nucleus.cli.sim import progress_bar
from nucleus.sim.scale import Load, Outcome, run_load


def scale(screen: Console, workers: int, jobs: int, seed: int, *, as_json: bool) -> None:
    """Run the load, and show what came of it."""
    with progress_bar(screen) as bar:
        task = bar.add_task("jobs", total=jobs)
        load = Load(workers, jobs, seed=seed)
        outcome = run_load(load, lambda ended: bar.update(task, completed=ended))
    if as_json:
        print_json(asdict(outcome))
        return
    screen.print(comparison(outcome))
    screen.print(
        f"{workers:,} workers did {jobs:,} jobs in {duration(outcome.simulated)} of simulated"
        f" time; it took {duration(outcome.seconds)} and {outcome.memory / 2**20:,.0f} MiB."
        f" One core does {jobs / outcome.work:,.0f} jobs, {outcome.steps / outcome.work:,.0f}"
        f" simulated events and {outcome.events / outcome.work:,.0f} ledger events a second."
    )


def comparison(outcome: Outcome) -> Table:
    """What was measured, beside what theory says, and what a bare queue does in such a run."""
    made = table("", "measured", "theory", "", right=("measured", "theory"))
    shares, waits = zip(*outcome.bare, strict=True)
    made.add_row(
        "jobs that waited",
        f"{outcome.waited:.1%}",
        f"{outcome.waited_theory:.1%}",
        f"Erlang C; {min(shares):.1%} to {max(shares):.1%} in {len(shares)} bare M/M/c runs",
    )
    made.add_row(
        "mean wait",
        f"{outcome.wait * 1000:.3f} ms",
        f"{outcome.wait_theory * 1000:.3f} ms",
        f"M/M/c; {min(waits) * 1000:.3f} to {max(waits) * 1000:.3f} ms in these",
    )
    made.add_row(
        "jobs re-queued",
        f"{outcome.requeued:,}",
        f"{outcome.requeued_theory:,.0f}",
        f"{outcome.lost:,} workers lost; {outcome.requeued_sigmas:+.1f} standard deviations",
    )
    return made
