"""Taskiq with Redis as broker and for results: https://taskiq-python.github.io

Settings: ``ListQueueBroker`` (the stream broker also acknowledges, and costs more), tasks are
``async`` so that they need no thread, ``--max-prefetch 100``, quiet logs. Its client is
asynchronous: one call per job keeps 100 of them in flight, and the way that waits for each
acknowledgement awaits one after the other. There is no batch way.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from benchmarks.adapter import PATIENCE, SERVER, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job
from benchmarks.processes import script
from benchmarks.redis_server import NOT_DURABLE, redis_version, start_redis

IN_FLIGHT = 100


def make_broker(server: str) -> Any:
    """Return a broker that keeps results in the same Redis."""
    return ListQueueBroker(server).with_result_backend(RedisAsyncResultBackend(server))


def make_tasks(broker: Any) -> dict[Job, Any]:
    """Return the tasks of this broker."""
    return {
        job: broker.register_task(_asynchronous(function), task_name=job.value)
        for job, function in FUNCTIONS.items()
    }


def _asynchronous(function: Callable[[Any], Any]) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    async def run(payload: Any) -> Any:
        return function(payload)

    return run


if SERVER in os.environ:  # we are imported by a worker
    broker = make_broker(os.environ[SERVER])
    make_tasks(broker)


class Taskiq(Adapter):
    """Redis without persistence: the fastest."""

    name = "Taskiq, Redis"
    durability = NOT_DURABLE
    distributions = ("taskiq", "taskiq-redis", "redis")

    def start_server(self) -> str:
        """Start Redis."""
        return start_redis(self.processes)

    def start_workers(self, count: int) -> None:
        """Start ``taskiq worker`` with ``count`` processes."""
        if count:
            self.processes.start(
                script("taskiq"),
                *("worker", f"{__name__}:broker", "--workers", str(count)),
                *("--max-prefetch", "100", "--ack-type", "when_received"),
                *("--log-level", "WARNING"),
                env={SERVER: self.server},
            )

    def connect(self, server: str) -> None:
        """Make the broker that sends, and the loop that it runs on."""
        self._loop = asyncio.new_event_loop()
        self._broker = make_broker(server)
        self._tasks = make_tasks(self._broker)
        self._loop.run_until_complete(self._broker.startup())

    def disconnect(self) -> None:
        """Shut the broker down."""
        if loop := self.__dict__.pop("_loop", None):
            loop.run_until_complete(self._broker.shutdown())
            loop.close()

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """Calls side by side, and one after the other."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            return self._side_by_side(self._tasks[job].kiq, payloads)

        def acknowledged(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            return self._loop.run_until_complete(_one_by_one(self._tasks[job].kiq, payloads))

        return {Way.EACH: each, Way.ACKNOWLEDGED: acknowledged}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for the results, several side by side."""

        async def result(handle: Any) -> Any:
            ended = await handle.wait_result(check_interval=0.002, timeout=PATIENCE)
            ended.raise_for_error()
            return ended.return_value

        return self._side_by_side(result, handles)

    def _side_by_side(
        self, call: Callable[[Any], Coroutine[Any, Any, Any]], items: Sequence[Any]
    ) -> list[Any]:
        async def run() -> list[Any]:
            done: list[Any] = []
            for start in range(0, len(items), IN_FLIGHT):
                chunk = items[start : start + IN_FLIGHT]
                done += await asyncio.gather(*(call(item) for item in chunk))
            return done

        return self._loop.run_until_complete(run())

    def versions(self) -> dict[str, str]:
        """Add the server's."""
        return {**super().versions(), **redis_version()}


async def _one_by_one(
    call: Callable[[Any], Coroutine[Any, Any, Any]], items: Sequence[Any]
) -> list[Any]:
    return [await call(item) for item in items]
