"""``nucleus demo``: the story in a terminal. Submit, kill, freeze, recover, prove.

Every part is a process of its own and does real work; the ledger is an SQLite file. One
worker dies by ``kill -9``. Another is frozen until the master gives up on it, and comes back
as a zombie with a result that nobody wants any more. At the end every result is computed in
a second way and compared.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from nucleus.cli.options import json_option
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from nucleus.cluster import Cluster

T = TypeVar("T")

LONG = 30  # Fibonacci(30) runs some tenths of a second: long enough to be frozen in
SHORT = range(16, 25)
SUBMITTERS = 8  # requests at a time
PATIENCE = 120.0  # seconds for anything; far more than it takes
REQUEST_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class Outcome:
    """What the demo found."""

    submitted: int
    completed: int
    failed: int
    requeued: int
    rejected: int
    lost: int
    wrong: int
    seconds: float

    @property
    def promises_kept(self) -> bool:
        """Nothing lost, nothing wrong, and the faults did happen."""
        clean = self.lost == self.wrong == self.failed == 0
        return clean and self.completed == self.submitted and self.requeued > 0 < self.rejected


class Demo:
    """One run of the story."""

    def __init__(self, cluster: "Cluster", jobs: int, console: Console) -> None:
        self._cluster = cluster
        self._console = console
        self._payloads = [LONG if i % 6 == 0 else SHORT[i % len(SHORT)] for i in range(jobs)]
        self._ids: dict[str, int] = {}  # job id -> payload

    def run(self) -> Outcome:
        """Tell the story; return how it ended."""
        began = time.monotonic()
        self._submit()
        with self._progress():
            self._kill_one()
            frozen = self._freeze_one()
            self._await("the frozen worker is given up on", lambda: self._state(frozen) == "lost")
            self._say(f"[yellow]{frozen}[/] was silent for 10 s: lost, its job goes to the front")
            self._await("every job has ended", lambda: self._ended() == len(self._ids))
            self._say("every job has ended: what the lost workers held was done by others")
            self._cluster.resume(frozen)
            self._say(f"[yellow]{frozen}[/] wakes up as a zombie, and reports its late result")
            self._await("the late result is refused", self._some_refused)
            self._say("the late result was [red]refused[/]: its lease is void")
        return self._judge(time.monotonic() - began)

    # ---- the steps --------------------------------------------------------------------

    def _submit(self) -> None:
        self._say(f"submitting {len(self._payloads)} jobs by POST /submit_job")
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            job_ids = pool.map(self._submit_one, self._payloads)
            self._ids = dict(zip(job_ids, self._payloads, strict=True))

    def _submit_one(self, payload: int) -> str:
        body = {"job_type": "Fibonacci", "payload": payload}
        url = f"{self._cluster.dashboard_url}/submit_job"
        import requests

        answer = requests.post(url, json=body, timeout=REQUEST_TIMEOUT).json()
        return str(answer["job_id"])

    def _kill_one(self) -> None:
        worker = self._await("a worker is busy", self._busy)
        self._cluster.kill(worker, "crash")
        self._say(f"[red]{worker}[/] was killed with SIGKILL in the middle of a job")

    def _freeze_one(self) -> str:
        worker = self._await("a worker runs a long job", self._freeze_in_long_job)
        self._say(f"[yellow]{worker}[/] was frozen with SIGSTOP, its job runs on")
        return worker

    def _freeze_in_long_job(self) -> str | None:
        worker = self._busy()
        if worker is None:
            return None
        self._cluster.kill(worker, "pause")
        time.sleep(0.2)  # what was on its way when it froze has arrived by then
        if any(w.name == worker and w.held for w in self._cluster.stats().workers):
            return worker
        self._cluster.resume(worker)
        return None

    def _busy(self) -> str | None:
        """A worker in the middle of a long job."""
        jobs = self._get("/get_all_jobs?status=RUNNING&limit=100")["jobs"].values()
        names = (job["worker"] for job in jobs if job["payload"] == LONG)
        return next((name for name in names if name in self._cluster.workers), None)

    def _judge(self, seconds: float) -> Outcome:
        jobs = self._get("/get_all_jobs")["jobs"]
        stats = self._cluster.stats()
        ours = {job_id: jobs[job_id] for job_id in self._ids if job_id in jobs}
        completed = {i: job for i, job in ours.items() if job["status"] == "COMPLETED"}
        failed = sum(job["status"] == "FAILED" for job in ours.values())
        wrong = sum(job["result"] != fibonacci(self._ids[i]) for i, job in completed.items())
        return Outcome(
            submitted=len(self._payloads),
            completed=len(completed),
            failed=failed,
            requeued=sum(stats.requeued.values()),
            rejected=sum(stats.rejected.values()),
            lost=len(self._payloads) - len(completed) - failed,
            wrong=wrong,
            seconds=round(seconds, 2),
        )

    # ---- looking ----------------------------------------------------------------------

    def _get(self, path: str) -> Any:
        url = f"{self._cluster.dashboard_url}{path}"
        import requests

        return requests.get(url, timeout=REQUEST_TIMEOUT).json()

    def _state(self, worker: str) -> str:
        return {w.name: w.state for w in self._cluster.stats().workers}.get(worker, "gone")

    def _some_refused(self) -> bool:
        return sum(self._cluster.stats().rejected.values()) > 0

    def _ended(self) -> int:
        jobs = self._cluster.stats().jobs
        return jobs["COMPLETED"] + jobs["FAILED"] + jobs["CANCELLED"]

    def _await(self, what: str, condition: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise click.ClickException(f"it did not happen within {PATIENCE:.0f} s: {what}")
            self._bar.update(self._task, completed=self._ended())
            time.sleep(0.05)
        self._bar.update(self._task, completed=self._ended())
        return found

    # ---- telling ----------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}")

    @contextmanager
    def _progress(self) -> Iterator[None]:
        columns = (
            TextColumn("  jobs done"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as self._bar:
            self._task = self._bar.add_task("jobs", total=len(self._payloads))
            yield


def fibonacci(n: int) -> int:
    """Fibonacci by adding up: not the way in which the job does it."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def outcome_table(outcome: Outcome) -> Table:
    """The end of the story."""
    table = Table(title="What became of the jobs", title_justify="left")
    table.add_column("")
    table.add_column("count", justify="right")
    for name, value, good in (
        ("submitted", outcome.submitted, True),
        ("completed, checked in a second way", outcome.completed, True),
        ("failed", outcome.failed, outcome.failed == 0),
        ("re-queued after a worker was lost", outcome.requeued, outcome.requeued > 0),
        ("late results refused", outcome.rejected, outcome.rejected > 0),
        ("lost", outcome.lost, outcome.lost == 0),
        ("wrong", outcome.wrong, outcome.wrong == 0),
    ):
        table.add_row(name, str(value), style="" if good else "bold red")
    table.add_row("seconds", f"{outcome.seconds:.1f}")
    return table


@click.command()
@option(
    "--jobs",
    default=300,
    show_default=True,
    type=click.IntRange(50, 5000),
    help="How many Fibonacci jobs to submit.",
)
@option(
    "--workers",
    default=4,
    show_default=True,
    type=click.IntRange(3, 32),
    help="How many workers; two of them get into trouble.",
)
@json_option("demo")
def demo(jobs: int, workers: int, as_json: bool) -> None:
    """See a worker die under load, and nothing get lost.

    Starts a master, workers, monitoring and a dashboard as processes of their own on free
    ports, kills one worker, freezes another until it comes back as a zombie, checks every
    result in a second way, and ends everything. Takes about 15 seconds. Exits with 1 if a
    promise was broken.

    \b
    Example: the same for a program.
      nucleus demo --json
    """
    from nucleus.cluster import Cluster

    console = Console(quiet=as_json)
    console.print("[bold]Nucleus[/]: a queue that loses a worker, and no job")
    with tempfile.TemporaryDirectory(prefix="nucleus-demo-") as folder:
        cluster = Cluster(workers, mode="processes", store=Path(folder) / "ledger.db")
        with cluster:
            console.print(f"  started {', '.join(cluster.pids)} in {len(cluster.pids)} processes")
            outcome = Demo(cluster, jobs, console).run()
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
    else:
        console.print(outcome_table(outcome))
        verdict = (
            "[green]every promise was kept[/]"
            if outcome.promises_kept
            else ("[bold red]a promise was broken[/]")
        )
        console.print(verdict)
    sys.exit(0 if outcome.promises_kept else 1)
