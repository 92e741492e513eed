"""``nucleus chaos``: a real cluster under load, broken on purpose, and judged.

The plan of the faults comes from the seed. What was recorded is judged by the same checker
as simulated runs are.
"""

import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nucleus.cli.breach import draw_breach, replay_command
from nucleus.cli.options import json_option
from nucleus.cli.output import console, duration, print_json, table
from nucleus.services.common.main import Exit, start_logging
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from nucleus.cluster.chaos import Progress
    from nucleus.history import History
    from nucleus.history.checker import Verdict

# Seconds; the default would be 10. Short, so that workers are given up on often.
WORKER_TIMEOUT = 2.0
SLOTS = 2
STYLES = {"pass": "green", "fail": "bold red", "unknown": "dim"}
MUST_BE_ZERO = ("lost", "duplicated", "unexpected")


def _faults(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    from nucleus.cluster.chaos.plan import FAULTS

    names = tuple(FAULTS) if value == "all" else tuple(value.split(","))
    for name in names:
        if name not in FAULTS:
            allowed = f"all, or some of {', '.join(FAULTS)}, with commas"
            raise click.BadParameter(f"{name!r} is not allowed; {allowed}", ctx, param)
    return names


@click.command()
@option(
    "--minutes",
    type=click.FloatRange(min=0.05, max=1440),
    default=2.0,
    help="How long things break; starting, healing and draining come on top.",
)
@option("--seed", type=click.IntRange(0, 2**32 - 1), help="Decides what breaks when.")
@option(
    "--workers", type=click.IntRange(2, 64), default=4, help="How many workers, of 2 slots each."
)
@option(
    "--rate",
    type=click.FloatRange(min=0.1, max=10_000),
    default=60.0,
    metavar="N",
    help="Submits a second, from two clients.",
)
@option("--faults", callback=_faults, default="all", metavar="LIST", help="What breaks.")
@option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the history; a broken promise saves it in any case.",
)
@json_option("chaos")
def chaos(
    minutes: float,
    seed: int | None,
    workers: int,
    rate: float,
    faults: tuple[str, ...],
    save: Path | None,
    as_json: bool,
) -> None:
    """Break a real cluster under load, and judge what became of every job.

    Master, workers, clients, Monitoring and dashboard are processes of their own, with a small
    network in between; the queue is an SQLite file. They are killed, frozen, cut off, slowed
    down and replaced while clients submit. Then everything heals, the queue drains, and all
    that was seen is held against every promise. Exits with 1 if one was broken.

    \b
    Example: two minutes of everything.
      nucleus chaos --minutes 2 --seed 7
    """
    from nucleus.history.checker import check

    start_logging("chaos", "error")
    seed = secrets.randbits(32) if seed is None else seed
    screen = console(stderr=as_json)
    screen.print(f"[bold]Nucleus[/]: {duration(60 * minutes)} of chaos, seed {seed}")
    history = _run(screen, 60 * minutes, seed, workers, rate, faults)
    verdict = check(history)
    if save is None and not verdict.ok:
        save = Path(f"chaos-{seed}.jsonl.gz")
    if save is not None:
        history.save(save)
        screen.print(f"the history is in {save}", markup=False)
    if as_json:
        print_json(_as_object(verdict))
    else:
        screen.print(_as_tables(verdict))
    if save is not None and not verdict.ok:
        screen.print(f"judge it again: {replay_command(save)}", markup=False, soft_wrap=True)
        draw_breach(screen, history, verdict.broken[0].invariant.name)
    sys.exit(Exit.DONE if verdict.ok else Exit.FAILED)


def _run(
    screen: Console,
    seconds: float,
    seed: int,
    workers: int,
    rate: float,
    faults: tuple[str, ...],
) -> "History":
    from nucleus.cluster.chaos import Chaos, ChaosCluster, make_plan, parts_of

    plan = make_plan(seed, seconds, parts_of(workers), WORKER_TIMEOUT, faults)
    with tempfile.TemporaryDirectory(prefix="nucleus-chaos-") as folder:
        cluster = ChaosCluster(workers, Path(folder), slots=SLOTS, worker_timeout=WORKER_TIMEOUT)
        run = Chaos(cluster, plan, seconds=seconds, seed=seed, rate=rate)
        with _live(screen) as show, _terminated_as_interrupted():
            return run.run(show)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does.

    Without, parts that are frozen at that moment would be left behind: they cannot notice
    that whoever started them is gone.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ---- while it runs --------------------------------------------------------------------


@contextmanager
def _live(screen: Console) -> Iterator[Callable[["Progress"], None]]:
    """Show the progress: drawn again and again on a terminal, else a line for each phase."""
    from rich.live import Live

    if not screen.is_terminal:
        phases: list[str] = []

        def tell(progress: "Progress") -> None:
            if progress.phase not in phases:
                phases.append(progress.phase)
                screen.print(f"  {progress.phase}")

        yield tell
        return
    with Live(console=screen, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(frame(progress), refresh=True)


def frame(progress: "Progress") -> RenderableType:
    """How far it is: the phase, the jobs, and the faults by kind."""
    left = f", {duration(progress.left)} left" if progress.left else ""
    jobs = Text.assemble(
        (f"{progress.acknowledged:,}", "bold"),
        " acknowledged  ·  ",
        (f"{progress.ended:,}", "bold"),
        " ended  ·  ",
        (f"{progress.open:,}", "bold"),
        " on their way",
    )
    made = table(*progress.fired, right=tuple(progress.fired))
    if progress.fired:
        made.add_row(*(str(count) for count in progress.fired.values()))
    return Group(Text(f"{progress.phase}{left}", "bold"), jobs, "", made)


# ---- afterwards -----------------------------------------------------------------------


def _as_tables(verdict: "Verdict") -> RenderableType:
    head = "[green]every promise was kept[/]" if verdict.ok else "[bold red]a promise was broken[/]"
    story = Text("" if verdict.ok else verdict.text())
    return Group(
        "", _faults_table(verdict), "", _jobs_table(verdict), "", _rules(verdict), "", head, story
    )


def _faults_table(verdict: "Verdict") -> Table:
    from nucleus.cluster.chaos.report import CONSEQUENCES, fault_rows

    consequences = tuple(CONSEQUENCES.values())
    numbers = ("times", "seconds", *consequences)
    made = table("fault", "of a", *numbers, right=numbers)
    for row in fault_rows(verdict.history):
        counts = [str(row.consequences[name] or "") for name in consequences]
        made.add_row(row.how, row.who, str(row.times), f"{row.seconds:.1f}", *counts)
    return made


def _jobs_table(verdict: "Verdict") -> Table:
    from nucleus.cluster.chaos.report import job_counts

    made = table("jobs", "count", right=("count",))
    for name, count in job_counts(verdict).items():
        style = "bold red" if name in MUST_BE_ZERO and count else ""
        made.add_row(name, f"{count:,}", style=style)
    return made


def _rules(verdict: "Verdict") -> Table:
    made = table("promise", "invariant", "outcome", "cases", right=("promise", "cases"))
    for promise, name, outcome, cases in sorted(verdict.table(), key=lambda row: int(row[0])):
        made.add_row(promise, name, Text(outcome, STYLES[outcome]), cases)
    return made


def _as_object(verdict: "Verdict") -> dict[str, Any]:
    from nucleus.cluster.chaos.report import fault_rows, job_counts

    return {
        "seed": verdict.history.seed,
        "ok": verdict.ok,
        "jobs": job_counts(verdict),
        "faults": [asdict(row) for row in fault_rows(verdict.history)],
        "invariants": [
            {"promise": int(promise), "name": name, "outcome": outcome, "cases": int(cases)}
            for promise, name, outcome, cases in verdict.table()
        ],
        "broken": [
            {"name": result.invariant.name, "breaches": [asdict(b) for b in result.breaches]}
            for result in verdict.broken
        ],
    }
