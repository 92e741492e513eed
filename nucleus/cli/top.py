"""``nucleus top``: one frame a second, of what the master says about itself.

- ``Throughput`` makes jobs per second out of totals.
- ``frame`` draws; it knows no clock and no connection.
"""

import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nucleus.cli.options import connect, json_option, master_option
from nucleus.cli.output import STYLES, age, console, duration, plain, print_json, styled, table
from nucleus.core.errors import Unavailable
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.core.limits import Limits
from nucleus.rpc.access import Access
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from nucleus.client import Client, Stats, WorkerView

WINDOW = 5.0  # seconds that the throughput is averaged over
GAP = "  ·  "
BAR = 16  # columns
WORKER_TIMEOUT = Limits().worker_timeout  # seconds; what a heartbeat's age is compared with
ENDED = tuple(status.name for status in TERMINAL)


class Throughput:
    """Jobs per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, now: float, ended: int) -> float:
        """Note how many jobs have ended up to ``now``; return how many did in a second."""
        self._seen.append((now, ended))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()
        since, before = self._seen[0]
        return max(0, ended - before) / (now - since) if now > since else 0.0


@click.command()
@option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=1.0,
    metavar="SECONDS",
    help="Time between two looks.",
)
@option("--once", is_flag=True, help="Print one frame and leave.")
@master_option
@json_option("top")
def top(interval: float, once: bool, master: str, access: Access, as_json: bool) -> None:
    """Watch the queue and the workers, live; Ctrl-C leaves.

    A heartbeat's bar grows with its age; where it is full, at 10 seconds, the worker is given
    up, and its jobs go to others.

    \b
    Example: one look, for a program.
      nucleus top --once --json
    """
    if as_json and not once:
        raise click.UsageError("--json goes with --once")
    with connect(master, access) as client:
        if as_json:
            print_json(asdict(client.stats()))
        elif once:
            console().print(frame(master, client.stats()))
        else:
            with suppress(KeyboardInterrupt):
                _watch(client, interval)


def _watch(client: "Client", interval: float) -> None:
    """Draw until Ctrl-C. A master that is away for a while is waited for."""
    from rich.live import Live

    throughput = Throughput()
    stats, heard = client.stats(), time.monotonic()
    # An alternate screen would be as unreadable as a log, where there is no terminal.
    screen = console()
    with Live(console=screen, screen=screen.is_terminal, auto_refresh=False) as live:
        while True:
            rate = throughput.update(heard, _ended(stats))
            silent = time.monotonic() - heard
            live.update(frame(client.address, stats, rate, silent), refresh=True)
            time.sleep(interval)
            with suppress(Unavailable):
                stats, heard = client.stats(interval), time.monotonic()


def _ended(stats: "Stats") -> int:
    return sum(stats.jobs.get(name, 0) for name in ENDED)


def frame(
    address: str, stats: "Stats", rate: float | None = None, silent: float = 0.0
) -> RenderableType:
    """One picture; ``rate`` in jobs per second, ``silent`` in seconds since the last answer."""
    return Group(
        _title(address, stats, silent),
        "",
        _counts(stats),
        "",
        _facts(stats, rate),
        "",
        _workers(stats),
    )


def _title(address: str, stats: "Stats", silent: float) -> Text:
    title = Text.assemble(
        ("nucleus", "bold"), f"  master {address}  ledger {stats.ledger_id}  epoch {stats.epoch}"
    )
    if silent > 1.5:
        title.append(f"  no answer for {duration(silent)}", "bold red")
    return title


def _counts(stats: "Stats") -> Table:
    """A bar for each status, of all jobs ever submitted."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=9)
    grid.add_column(justify="right", min_width=8)
    grid.add_column()
    for status in Status:
        count = stats.jobs.get(status.name, 0)
        share = ProgressBar(
            total=max(1, stats.submitted),
            completed=count,
            width=2 * BAR,
            complete_style=STYLES[status.name],
            finished_style=STYLES[status.name],
        )
        grid.add_row(styled(status.name), f"{count:,}", share)
    return grid


def _facts(stats: "Stats", rate: float | None) -> Text:
    flow = [f"{stats.submitted:,} submitted", f"oldest waits {age(stats.oldest_queued_age)}"]
    if rate is not None:
        flow.append(f"{rate:,.1f} jobs/s")
    lines = [
        GAP.join(flow),
        f"re-queued {_by_reason(stats.requeued)}",
        f"late results refused {_by_reason(stats.rejected)}",
    ]
    return Text("\n".join(lines))


def _by_reason(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if count)
    return f"{total} ({reasons})" if total else "0"


def _workers(stats: "Stats") -> RenderableType:
    if not stats.workers:
        return Text("no workers; start one with: nucleus worker", "yellow")
    columns = ("worker", "state", "busy", "", "held", "heartbeat", "")
    made = table(*columns, right=("held", "heartbeat"), flexible=("worker",))
    for worker in stats.workers:
        made.add_row(*_worker(worker))
    return made


def _worker(worker: "WorkerView") -> list[RenderableType]:
    silent = worker.heartbeat_age
    late = (
        "green" if silent < WORKER_TIMEOUT / 2 else "yellow" if silent < WORKER_TIMEOUT else "red"
    )
    here = worker.state == "alive"
    return [
        plain(worker.name),
        styled(worker.state),
        f"{worker.running}/{worker.slots}",
        _bar(worker.running, worker.slots, "cyan") if here else "",
        str(worker.held),
        age(silent),
        _bar(silent, WORKER_TIMEOUT, late) if here else "",
    ]


def _bar(value: float, full: float, style: str) -> ProgressBar:
    return ProgressBar(
        total=full,
        completed=min(value, full),
        width=BAR,
        complete_style=style,
        finished_style=style,
    )
