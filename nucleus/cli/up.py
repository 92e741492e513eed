"""``nucleus up``: a whole cluster as one service, that the same runner runs as every part."""

import json
import threading
from typing import TYPE_CHECKING

import click

from nucleus.cli.options import json_option
from nucleus.cli.output import console, table
from nucleus.services.common.main import Ending, run_service
from nucleus.services.common.options import LOG_LEVELS, option, retention_options, token_option

if TYPE_CHECKING:
    from nucleus.cluster import Cluster

LOOK = 1.0  # seconds between two looks whether the parts still run


@click.command()
@option("--workers", type=click.IntRange(0, 1000), default=3, help="How many workers to start.")
@option(
    "--slots", type=click.IntRange(min=1), default=1, help="How many jobs each runs side by side."
)
@option(
    "--store",
    metavar="memory|PATH",
    default="nucleus.db",
    help="Where jobs are kept: 'memory' forgets them, an SQLite file survives a crash.",
)
@retention_options
@option(
    "--ports",
    type=click.Choice(["standard", "free"]),
    default="standard",
    help="The ports of the README, or whatever is free.",
)
@token_option
@option("--log-level", type=click.Choice(LOG_LEVELS), default="warning", help="How much to log.")
@json_option("up")
@click.pass_context
def up(
    ctx: click.Context,
    workers: int,
    slots: int,
    store: str,
    retain: float,
    retain_jobs: int,
    ports: str,
    token: str,
    log_level: str,
    as_json: bool,
) -> None:
    """Run everything on this machine: monitoring, master, workers, dashboard.

    Each part is a process of its own. Prints where everything is, and runs until Ctrl-C, which
    stops all of it cleanly.

    \b
    Example: two workers, on ports that nobody else uses.
      nucleus up --workers 2 --ports free
    """

    def make(ending: Ending) -> Everything:
        from nucleus.cluster import Cluster
        from nucleus.core.retention import Retention

        cluster = Cluster(
            workers,
            mode="processes",
            ports="free" if ports == "free" else "standard",
            store=store,
            retention=Retention(retain, retain_jobs),
            slots=slots,
            token=token,
            name="up",
        )
        return Everything(cluster, store, ending, as_json=as_json)

    ctx.exit(run_service(make, part="up", log_level=log_level))


class Everything:
    """A cluster in the shape of a service. It tells of parts that end by themselves."""

    def __init__(self, cluster: "Cluster", store: str, ending: Ending, *, as_json: bool) -> None:
        self._cluster = cluster
        self._store = store
        self._ending = ending
        self._as_json = as_json
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start all parts."""
        self._cluster.start()
        self._watcher.start()

    def stop(self) -> list[str]:
        """Stop all parts."""
        self._stopping.set()
        if self._watcher.ident is not None:
            self._watcher.join()
        return self._cluster.stop()

    def addresses(self) -> dict[str, str]:
        """Where everything is, by what it is."""
        cluster = self._cluster
        return {
            "dashboard": cluster.dashboard_url,
            "master": cluster.address,
            "push": cluster.push_url,
            "scrape": cluster.scrape_url,
        }

    def ready_line(self) -> str:
        """Every address, for a person or for a program."""
        return self._as_object() if self._as_json else self._as_table()

    def _as_object(self) -> str:
        about = {"store": self._store, "pids": self._cluster.pids}
        return json.dumps({**self.addresses(), **about})

    def _as_table(self) -> str:
        where = self.addresses()
        rows = (
            ("dashboard", where["dashboard"], "web page and REST"),
            ("master", where["master"], f"gRPC, store {self._store}"),
            ("monitoring", where["push"], "takes pushed metrics"),
            ("", where["scrape"], "for Prometheus"),
            ("workers", ", ".join(self._cluster.workers) or "none", ""),
        )
        made = table("part", "address", "", "process", flexible=("",))
        pids = self._cluster.pids
        for part, address, what in rows:
            made.add_row(part, address, what, str(pids.get(part, "")))
        screen = console()
        with screen.capture() as captured:
            screen.print(made)
        return f"{captured.get().rstrip()}\n\nReady. Ctrl-C stops everything.\n"

    def _watch(self) -> None:
        from nucleus.cluster.leftovers import find_process

        told: set[int] = set()
        while not self._stopping.wait(LOOK):
            pids = self._cluster.pids
            gone = {name: pid for name, pid in pids.items() if find_process(pid) is None}
            for name, pid in gone.items():
                if pid not in told:
                    click.echo(f"{name} (process {pid}) has ended by itself", err=True)
            told.update(gone.values())
            if pids and len(gone) == len(pids):
                self._ending.give_up("every part has ended")
                return
