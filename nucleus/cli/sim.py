"""``nucleus sim``: thousands of simulated worlds, each judged by the checker.

A seed whose world broke a promise is run again with ever less of its plan, until nothing can
be left out; the rest is shown, and saved as a file that ``--replay`` runs again.
"""

import os
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nucleus.cli.breach import replay_command, show_breach
from nucleus.cli.options import json_option
from nucleus.cli.output import console, duration, print_json
from nucleus.services.common.main import Exit
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from nucleus.history import History
    from nucleus.sim import Tally

JOBS_EACH = 100  # for each worker, where nobody says how many


def _faults(ctx: click.Context, param: click.Parameter, value: str) -> frozenset[str]:
    from nucleus.core.errors import InvalidArgument
    from nucleus.sim import choose

    try:
        return choose(value)
    except InvalidArgument as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _mutant(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from nucleus.sim.mutants import MUTANTS

    if value and value not in MUTANTS:
        known = ", ".join(MUTANTS)
        raise click.BadParameter(f"{value!r} is not allowed; one of {known}", ctx, param)
    return value


@click.command()
@option("--seeds", type=click.IntRange(min=1), default=1000, help="How many worlds to run.")
@option("--first", type=click.IntRange(min=0), default=0, help="The first seed.")
@option(
    "--faults",
    callback=_faults,
    default="all",
    metavar="LIST",
    help="What goes wrong: all, none, or names with commas, such as loss,partition,workers.",
)
@option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    metavar="N",
    help="How many processes run worlds.",
)
@option(
    "--mutant",
    callback=_mutant,
    default="",
    show_default=False,
    metavar="NAME",
    help="Run this known-wrong code in place of the real one.",
)
@option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where a broken promise is saved; sim-SEED.jsonl if not given.",
)
@option(
    "--replay",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Run the world in this file again, and judge it.",
)
@option(
    "--workers",
    type=click.IntRange(min=1, max=100_000),
    metavar="N",
    help="Instead of worlds: so many workers against queueing theory.",
)
@option(
    "--submits",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many jobs these workers do; 100 for each if not given.",
)
@json_option("sim")
def sim(
    seeds: int,
    first: int,
    faults: frozenset[str],
    jobs: int,
    mutant: str,
    save: Path | None,
    replay: Path | None,
    workers: int | None,
    submits: int | None,
    as_json: bool,
) -> None:
    """Run the whole system in simulated worlds, break them, and judge what happened.

    Master, workers and clients are the real ones; clock, network, disk and jobs are simulated,
    so a world of minutes takes a fraction of a second, and a seed is one story for ever. Exits
    with 1 if a promise was broken: that world is shrunk, shown and saved.

    \b
    Example: a thousand worlds with everything that can go wrong.
      nucleus sim --seeds 1000 --faults all
    \b
    Example: ten thousand workers, a million jobs, and what queueing theory says.
      nucleus sim --workers 10000 --submits 1000000
    """
    screen = console(stderr=as_json)
    if workers is not None:
        from nucleus.cli.sim_scale import scale

        scale(screen, workers, submits or JOBS_EACH * workers, first, as_json=as_json)
        return
    if replay is not None:
        sys.exit(_replay(screen, replay))
    began = time.perf_counter()
    tally = _sweep(screen, range(first, first + seeds), faults, mutant, jobs)
    seconds = time.perf_counter() - began
    if as_json:
        print_json(_as_object(tally, faults, seconds))
    else:
        _show(screen, tally, faults, seconds)
    if tally.broken:
        seed = min(tally.broken)
        _tell(screen, seed, faults, mutant, tally.broken[seed], save)
    sys.exit(Exit.FAILED if tally.broken else Exit.DONE)


def _sweep(
    screen: Console, seeds: range, faults: frozenset[str], mutant: str, jobs: int
) -> "Tally":
    """Run the worlds until one breaks a promise."""
    from nucleus.sim import Tally, sweep

    tally = Tally()
    with progress_bar(screen) as bar, closing(sweep(seeds, faults, mutant, jobs)) as chunks:
        task = bar.add_task("worlds", total=len(seeds))
        for chunk in chunks:
            tally.add(chunk)
            bar.update(task, completed=tally.seeds)
            if tally.broken:
                break
    return tally


def progress_bar(screen: Console) -> Progress:
    """A bar with its count and its time, which goes when it is done; none without a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


# ---- what was exercised ---------------------------------------------------------------


def _show(screen: Console, tally: "Tally", faults: frozenset[str], seconds: float) -> None:
    from nucleus.cli import sim_tables

    if not tally.broken:  # else the story of what broke is what matters
        screen.print(sim_tables.faults_table(tally, faults))
        screen.print(sim_tables.outcomes_table(tally))
        screen.print(sim_tables.account_table(tally))
    events = tally.seen["events committed"]
    screen.print(
        f"{tally.seeds:,} worlds of {duration(tally.seconds / max(1, tally.seeds))} each, in"
        f" {duration(seconds)}; on one core {tally.steps / tally.work:,.0f} simulated events/s,"
        f" of which {events / tally.work:,.0f}/s are events of the ledger"
    )
    screen.print(sim_tables.verdict_line(tally))


def _as_object(tally: "Tally", faults: frozenset[str], seconds: float) -> dict[str, Any]:
    from nucleus.cli import sim_tables

    fired = sim_tables.fired(tally, faults)
    return {
        "seeds": tally.seeds,
        "ok": not tally.broken,
        "seconds": round(seconds, 3),
        "simulated_seconds": round(tally.seconds, 3),
        "events_per_second": round(tally.steps / tally.work),
        "ledger_events_per_second": round(tally.seen["events committed"] / tally.work),
        "faults": fired,
        "never_fired": [name for name, times in fired.items() if not times],
        "outcomes": dict(sorted(tally.seen.items())),
        "account": asdict(tally.account),
        "cases": dict(tally.cases),
        "unknown": tally.unknown,
        "broken": {str(seed): list(names) for seed, names in tally.broken.items()},
    }


# ---- a broken promise -----------------------------------------------------------------


def _tell(
    screen: Console,
    seed: int,
    faults: frozenset[str],
    mutant: str,
    names: tuple[str, ...],
    save: Path | None,
) -> None:
    """Shrink the world, show it, save it."""
    from nucleus.history.shrink import shrink_run
    from nucleus.sim import simulate
    from nucleus.sim.mutants import MUTANTS
    from nucleus.sim.plan import make_plan

    expected = MUTANTS[mutant].caught_by if mutant else ""
    name = expected if expected in names else names[0]
    screen.print(f"seed {seed} broke {', '.join(names)}; leaving out of it what is not needed …")
    size = len(make_plan(seed, faults).items)
    history, kept = shrink_run(
        lambda some: simulate(seed, faults=faults, kept=some, mutant=mutant).history, size, name
    )
    screen.print(f"{len(kept)} of {size} entries of its plan are enough")
    path = save or Path(f"sim-{seed}.jsonl")
    history.save(path)
    show_breach(screen, history, name)
    screen.print(f"saved; again: {replay_command(path)}", markup=False, soft_wrap=True)


def _replay(screen: Console, path: Path) -> Exit:
    """Run the world in a file again; say whether it is the same story, and judge it."""
    from nucleus.history import History
    from nucleus.history.checker import check

    told = History.load(path)
    history = told
    if why_not := _unrepeatable(told):
        screen.print(f"{path} {why_not}: it is judged, not run again", markup=False, soft_wrap=True)
    else:
        history = _run_again(told, path)
        same = history.observations == told.observations
        screen.print("the same story" if same else "another story: the code has changed since")
    broken = check(history).broken
    if not broken:
        screen.print("[green]every promise was kept[/]")
        return Exit.DONE
    show_breach(screen, history, broken[0].invariant.name)
    return Exit.FAILED


def _unrepeatable(told: "History") -> str:
    """Why this is not the story of a seed alone; "" when it is."""
    if told.source != "simulation" or told.seed is None:
        return f"was recorded by {told.source}"
    if "faults" not in told.settings:
        return "was run by a plan or rules of its own"
    return ""


def _run_again(told: "History", path: Path) -> "History":
    from nucleus.sim import ALL, simulate
    from nucleus.sim.mutants import MUTANTS

    faults = frozenset(told.settings["faults"])
    if told.mutant and told.mutant not in MUTANTS:
        raise click.UsageError(f"{path}: mutant {told.mutant!r} is not known here")
    if unknown := faults - ALL:
        raise click.UsageError(f"{path}: faults {sorted(unknown)} are not known here")
    assert told.seed is not None
    return simulate(told.seed, faults=faults, kept=told.kept, mutant=told.mutant).history
