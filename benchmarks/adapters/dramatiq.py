"""Dramatiq with Redis as broker and for results: https://dramatiq.io

Settings: one thread in each of the worker processes (the default of 8 is for jobs that wait,
and slower here), and ``dramatiq_queue_prefetch=100``: with one thread the default of 2 leaves
it idle between polls. The default middleware stays, as the guide assumes it; results are
read with ``get_result(block=True)``, a blocking pop.

There is no batch way: ``group.run`` enqueues one by one. Results thrown away: an actor without
``store_results``, and ``broker.join`` to learn that the queue is empty.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.adapter import PATIENCE, SERVER, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job, nothing
from benchmarks.processes import script
from benchmarks.redis_server import NOT_DURABLE, redis_version, start_redis

PREFETCH = {"dramatiq_queue_prefetch": "100"}


def make_broker(server: str) -> Any:
    """Return a broker that keeps results in the same Redis."""
    broker = RedisBroker(url=server)
    broker.add_middleware(Results(backend=RedisBackend(url=server)))
    dramatiq.set_broker(broker)  # where messages look for their results
    return broker


def make_actors(broker: Any) -> dict[str, Any]:
    """Return the actors of this broker by the name of the job."""
    actors: dict[str, Any] = {
        job: dramatiq.actor(function, broker=broker, store_results=True)
        for job, function in FUNCTIONS.items()
    }
    return {**actors, "nothing": dramatiq.actor(nothing, broker=broker)}


if SERVER in os.environ:  # we are imported by a worker
    broker = make_broker(os.environ[SERVER])
    make_actors(broker)


class Dramatiq(Adapter):
    """Redis without persistence: the fastest."""

    name = "Dramatiq, Redis"
    durability = NOT_DURABLE
    distributions = ("dramatiq", "redis")

    def start_server(self) -> str:
        """Start Redis."""
        return start_redis(self.processes)

    def start_workers(self, count: int) -> None:
        """Start ``dramatiq`` with ``count`` processes of one thread."""
        if count:
            self.processes.start(
                script("dramatiq"),
                f"{__name__}:broker",
                *("--processes", str(count), "--threads", "1"),
                env={SERVER: self.server, **PREFETCH},
            )

    def connect(self, server: str) -> None:
        """Make the broker that enqueues."""
        self._broker = make_broker(server)
        self._actors = make_actors(self._broker)

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop, with and without results."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            actor = self._actors[job]
            return [actor.send(payload) for payload in payloads]

        def executed(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            for payload in payloads[:-1]:
                self._actors["nothing"].send(payload)
            last = self._actors[job].send(payloads[-1])
            self._broker.join("default", interval=5)
            return [last]

        return {Way.EACH: each, Way.EXECUTED: executed}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for each result, in order."""
        return [handle.get_result(block=True, timeout=int(PATIENCE * 1000)) for handle in handles]

    def versions(self) -> dict[str, str]:
        """Add the server's."""
        return {**super().versions(), **redis_version()}
