"""Huey: https://huey.readthedocs.io (Redis, and SQLite with fsync).

Settings: two consumer processes (``-k process``; two threads of one consumer are slower, they
share an interpreter), quiet (``-q``: the default logs two lines for every task), no periodic
tasks (``-n``), the health check off (``-C``), and the shortest polling for SQLite (``-d``);
Redis is read by a blocking pop. Results are read with ``Result.get(blocking=True)``, polling
for at most 2 ms at a time; ``notify_result`` and reading the last one first were slower.

There is no batch way: ``map`` enqueues one by one. Results thrown away: a task that returns
``None`` stores nothing; only the last job has a result, which is waited for.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import huey

from benchmarks.adapter import PATIENCE, SERVER, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job, nothing
from benchmarks.processes import script
from benchmarks.redis_server import FSYNC, NOT_DURABLE, redis_version, start_redis

SCHEME = "sqlite://"


def make_app(server: str) -> Any:
    """Return the Huey instance for this address, a Redis URL or ``sqlite://`` and a path."""
    if server.startswith(SCHEME):
        path = server.removeprefix(SCHEME)
        return huey.SqliteHuey("benchmark", filename=path, fsync=True, timeout=60)
    return huey.RedisHuey("benchmark", url=server)


def make_tasks(app: Any) -> dict[str, Any]:
    """Return the tasks of this instance by the name of the job."""
    task = app.task()
    tasks: dict[str, Any] = {job: task(function) for job, function in FUNCTIONS.items()}
    return {**tasks, "nothing": task(nothing)}


if SERVER in os.environ:  # we are imported by a consumer
    app = make_app(os.environ[SERVER])
    make_tasks(app)


class Huey(Adapter):
    """What the two stores have in common."""

    distributions: ClassVar[Sequence[str]] = ("huey",)

    def start_workers(self, count: int) -> None:
        """Start one consumer with ``count`` worker processes."""
        if count:
            self.processes.start(
                script("huey_consumer"),
                f"{__name__}.app",
                *("-w", str(count), "-k", "process", "-q", "-n", "-C", "-d", "0.001", "-m", "0.01"),
                env={SERVER: self.server},
            )

    def connect(self, server: str) -> None:
        """Make the instance that enqueues."""
        self._tasks = make_tasks(make_app(server))

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop, with and without results."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            task = self._tasks[job]
            return [task(payload) for payload in payloads]

        def executed(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            for payload in payloads[:-1]:
                self._tasks["nothing"](payload)
            return [self._tasks[job](payloads[-1])]

        return {Way.EACH: each, Way.EXECUTED: executed}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for each result, in order."""
        return [handle.get(blocking=True, timeout=PATIENCE, max_delay=0.002) for handle in handles]


class HueyRedis(Huey):
    """Redis without persistence: the fastest."""

    name = "Huey, Redis"
    durability = NOT_DURABLE
    distributions = ("huey", "redis")

    def start_server(self) -> str:
        """Start Redis."""
        return start_redis(self.processes)

    def versions(self) -> dict[str, str]:
        """Add the server's."""
        return {**super().versions(), **redis_version()}


class HueyRedisFsync(HueyRedis):
    """Redis that syncs its log before it answers: the same promise as ours, for the submit."""

    name = "Huey, Redis with fsync"
    durability = "fsync of the submit (Redis, appendfsync always); a job that runs is lost"

    def start_server(self) -> str:
        """Start Redis with its log."""
        return start_redis(self.processes, FSYNC)


class HueySqlite(Huey):
    """SQLite in WAL mode with ``fsync=True`` (``synchronous=FULL``)."""

    name = "Huey, SQLite with fsync"
    durability = "fsync of the submit (SQLite, synchronous=FULL); a job that runs is lost"

    def start_server(self) -> str:
        """Name a file; there is no server."""
        return f"{SCHEME}{self.processes.folder}/huey.db"
