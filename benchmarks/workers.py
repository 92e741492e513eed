"""What idle workers cost, and how soon a dead one's jobs go on: ``python -m benchmarks.workers``.

- A thousand workers, each on a connection of its own, beat every 3 s; what the master uses
  meanwhile is a share of one core.
- A worker process is killed with a job in its hands. The master may know once the last
  heartbeat is ``WORKER_TIMEOUT`` old; until the job is leased again is what it takes beyond.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import click

from benchmarks.processes import Processes, free_port, script, usage
from nucleus.client import Client
from nucleus.core.events import Event, JobLeased, WorkerHeartbeat
from nucleus.core.ledger import TICK
from nucleus.core.limits import Limits
from nucleus.core.worker_session import WorkerSession
from nucleus.rpc.access import OPEN
from nucleus.services.common.clock import SystemClock
from nucleus.services.worker.link import MasterLink
from nucleus.services.worker.service import HEARTBEAT_INTERVAL

TIMEOUT = Limits().worker_timeout  # seconds
OPENING = 50  # workers that connect at a time


@contextmanager
def master() -> Iterator[tuple[Processes, str]]:
    """A master with a store in a file; the processes, to add more to, and its address."""
    processes, port = Processes(), free_port()
    try:
        store = str(processes.folder / "ledger.db")
        processes.start(script("nucleus"), "master", "--port", str(port), "--store", store)
        processes.wait_for_port(port)
        yield processes, f"127.0.0.1:{port}"
    finally:
        processes.stop()


# ---- idle workers -------------------------------------------------------------------------


class IdleWorker:
    """The worker's side of the protocol, without an executor behind it."""

    def __init__(self, address: str, number: int) -> None:
        self._link = MasterLink(address, OPEN, HEARTBEAT_INTERVAL)
        self._session = WorkerSession(f"idle-{number}", "i", 1, ["Echo"])
        self._clock = SystemClock()

    async def run(self, opened: asyncio.Event, late: float) -> None:
        """Open a session, and beat for ever, ``late`` seconds after the others."""
        stream = self._link.open(self._session.open(self._clock.now()))
        await anext(stream)
        opened.set()
        await asyncio.sleep(late)
        while True:
            await self._link.beat(self._session.beat(self._clock.now()))
            await asyncio.sleep(HEARTBEAT_INTERVAL)


@asynccontextmanager
async def idle_workers(address: str, count: int) -> AsyncIterator[None]:
    """So many workers, all connected; their heartbeats are spread over the interval."""
    tasks = []
    for first in range(0, count, OPENING):
        numbers = range(first, min(first + OPENING, count))
        opened = [asyncio.Event() for _ in numbers]
        for number, event in zip(numbers, opened, strict=True):
            late = HEARTBEAT_INTERVAL * number / count
            tasks.append(asyncio.create_task(IdleWorker(address, number).run(event, late)))
        await asyncio.gather(*(event.wait() for event in opened))
    yield
    failed = [task.exception() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise AssertionError(f"{len(failed)} workers ended: {failed[0]!r}")


async def idle_share(address: str, count: int, seconds: float) -> float:
    """The share of one core that the master needs for so many idle workers."""
    async with idle_workers(address, count):
        await asyncio.sleep(HEARTBEAT_INTERVAL)
        before = usage(servers_only=True).cpu
        await asyncio.sleep(seconds)
        return (usage(servers_only=True).cpu - before) / seconds


# ---- a dead worker ------------------------------------------------------------------------


def redispatch(processes: Processes, address: str) -> float:
    """Kill a worker that runs a job; the seconds from when the master may know to the new lease."""
    options = ("--master", address, "--executor", "thread", "--name")
    with Client(address) as client:
        watch = client.watch(1, heartbeats=True)
        victim = processes.start(script("nucleus"), "worker", *options, "victim")
        client.submit("Sleep", 600)
        _when(watch, lambda event: isinstance(event, JobLeased))
        processes.start(script("nucleus"), "worker", *options, "heir")
        last = _when(watch, lambda event: _beat_of(event, "victim"))
        victim.kill()
        for event in watch:
            if _beat_of(event, "victim"):
                last = event.at
            elif isinstance(event, JobLeased) and event.worker == "heir":
                client.cancel(event.job_id)
                return event.at - (last + TIMEOUT)
    raise AssertionError("the watch ended")


def _beat_of(event: Event, worker: str) -> bool:
    return isinstance(event, WorkerHeartbeat) and event.worker == worker


def _when(watch: Iterator[Event], wanted: Callable[[Event], bool]) -> float:
    return next(event.at for event in watch if wanted(event))


@click.command()
@click.option("--workers", default=1_000, show_default=True, help="Idle ones.")
@click.option("--seconds", default=15.0, show_default=True, help="To measure them for.")
@click.option("--deaths", default=5, show_default=True, help="Workers to kill, one by one.")
def main(workers: int, seconds: float, deaths: int) -> None:
    """Measure idle workers, and what follows a death."""
    with master() as (_, address):
        share = asyncio.run(idle_share(address, workers, seconds))
    print(f"{workers:,} idle workers: {share:.1%} of one core")
    delays = []
    for _ in range(deaths):
        with master() as (processes, address):
            delays.append(redispatch(processes, address))
    print(
        f"a dead worker's job is leased again {statistics.median(delays):.2f} s (at most"
        f" {max(delays):.2f} s) after the master may know; a tick is {TICK} s"
    )


if __name__ == "__main__":
    main()
