"""RQ with Redis: https://python-rq.org

Settings: ``SimpleWorker``, which runs jobs in the worker itself; the default worker forks for
every job. Quiet logs. Results are read with ``latest_result``, which blocks on the job's
stream. The batch way is ``enqueue_many``, one pipeline.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis
from rq import Queue

from benchmarks.adapter import PATIENCE, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job
from benchmarks.processes import script
from benchmarks.redis_server import NOT_DURABLE, redis_version, start_redis


class Rq(Adapter):
    """Redis without persistence: the fastest."""

    name = "RQ, Redis"
    durability = NOT_DURABLE
    distributions = ("rq", "redis")

    def start_server(self) -> str:
        """Start Redis."""
        return start_redis(self.processes)

    def start_workers(self, count: int) -> None:
        """Start ``count`` workers."""
        for _ in range(count):
            self.processes.start(
                script("rq"),
                *("worker", "--url", self.server, "--quiet"),
                *("--worker-class", "rq.worker.SimpleWorker"),
            )

    def connect(self, server: str) -> None:
        """Open the queue."""
        self._queue = Queue(connection=Redis.from_url(server))

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop of ``enqueue``, and ``enqueue_many``."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            return [self._queue.enqueue(FUNCTIONS[job], payload) for payload in payloads]

        def batch(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            function = FUNCTIONS[job]
            made = [Queue.prepare_data(function, (payload,)) for payload in payloads]
            enqueued: Sequence[Any] = self._queue.enqueue_many(made)
            return enqueued

        return {Way.EACH: each, Way.BATCH: batch}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for each result, in order."""
        return [handle.latest_result(timeout=int(PATIENCE)).return_value for handle in handles]

    def versions(self) -> dict[str, str]:
        """Add the server's."""
        return {**super().versions(), **redis_version()}
