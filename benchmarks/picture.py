"""What the living picture costs its kernel: ``python -m benchmarks.picture``.

Each load runs in a Jupyter kernel of its own, without the picture and with it, in turns. The CPU
is that of the whole kernel, so that with workers in it most is theirs. A page's share is not in
it: frames go as far as the front end's end of the wire.
"""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import click
import nbformat
from nbclient import NotebookClient

from benchmarks.processes import ROOT
from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.notebook.picture import picture_of

STEP = 0.05  # seconds between two batches of submits
WARM_UP = 2.0  # seconds
ROUNDS = 3


class Load(NamedTuple):
    """What goes on in the cluster."""

    workers: int
    mode: Literal["threads", "processes"]
    rate: int  # jobs a second

    def __str__(self) -> str:
        return f"{self.workers} workers ({self.mode}), {self.rate:,} jobs/s"


class Cost(NamedTuple):
    """What a kernel did in a second."""

    cpu: float  # seconds, on one core
    frames: float


LOADS = (Load(4, "processes", 1_000), Load(200, "threads", 0), Load(200, "threads", 1_000))


def measure(load: Load, seconds: float, shown: bool) -> Cost:
    """Within a kernel: what ``load`` costs it, with the picture ``shown`` or not."""
    frames: list[Any] = []
    with Cluster(
        load.workers, mode=load.mode, executor="thread", dashboard=False, monitoring=False
    ) as cluster:
        if shown:
            picture = picture_of(cluster)
            picture.observe(frames.append, "frame")
            picture.hear({"do": "open", "view": "benchmark"})
        with _submitting(cluster.client, load.rate):
            time.sleep(WARM_UP)
            cpu, drawn, began = time.process_time(), len(frames), time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            return Cost((time.process_time() - cpu) / took, (len(frames) - drawn) / took)


@contextmanager
def _submitting(client: Client, rate: int) -> Iterator[None]:
    done = threading.Event()

    def submit() -> None:
        while not done.wait(STEP):
            client.submit_many("Echo", range(round(rate * STEP)))

    submitter = threading.Thread(target=submit)
    submitter.start()
    try:
        yield
    finally:
        done.set()
        submitter.join()


def in_a_kernel(load: Load, seconds: float, shown: bool) -> Cost:
    """The same in a kernel of its own."""
    source = (
        "import json\nfrom benchmarks.picture import Load, measure\n"
        f"print(json.dumps(measure(Load(*{tuple(load)!r}), {seconds}, {shown})))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT)}},
        extra_arguments=["--log-level=ERROR"],  # else: that it talks over TCP on this machine
    ).execute()
    said = "".join(out.text for out in notebook.cells[0].outputs if out.get("name") == "stdout")
    return Cost(*json.loads(said))


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="To measure each for.")
def main(seconds: float) -> None:
    """Measure the kernel's CPU and the frames a second, under three loads."""
    for load in LOADS:
        costs: dict[bool, list[Cost]] = {False: [], True: []}
        for _ in range(ROUNDS):
            for shown, found in costs.items():
                found.append(in_a_kernel(load, seconds, shown))
        without, shown_cpu = (statistics.median(c.cpu for c in found) for found in costs.values())
        frames = statistics.median(cost.frames for cost in costs[True])
        print(
            f"{load}: {without:.0%} of a core without the picture, {shown_cpu:.0%} with it,"
            f" {frames:.1f} frames a second"
        )


if __name__ == "__main__":
    main()
