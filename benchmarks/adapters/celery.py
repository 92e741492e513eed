"""Celery with Redis as broker and for results: https://docs.celeryq.dev

Settings, after the pages "Optimizing" and "Workers": each worker is a ``solo`` process (a
``prefork`` pool hands every task through a pipe once more); ``worker_prefetch_multiplier=100``
(for many short tasks); no gossip, mingle and heartbeat; ``ignore_result`` stays off, since the
caller wants results, which ``ResultSet.join_native`` collects, looking every 2 ms. Tasks are
acknowledged before they run, the default.

There is no batch way: a group publishes one message for each task.
"""

import gc
import os
from collections.abc import Mapping, Sequence
from typing import Any

import celery
from celery.result import ResultSet

from benchmarks.adapter import PATIENCE, SERVER, Adapter, Submit, Way
from benchmarks.jobs import FUNCTIONS, Job
from benchmarks.processes import script
from benchmarks.redis_server import NOT_DURABLE, redis_version, start_redis


def make_app(server: str) -> Any:
    """Return the Celery application for this Redis."""
    app = celery.Celery("benchmark", broker=server, backend=server)
    app.conf.update(
        worker_prefetch_multiplier=100,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
    )
    return app


def make_tasks(app: Any) -> dict[Job, Any]:
    """Return the tasks of this application."""
    return {job: app.task(function, name=job.value) for job, function in FUNCTIONS.items()}


if SERVER in os.environ:  # we are imported by a worker
    app = make_app(os.environ[SERVER])
    make_tasks(app)


class Celery(Adapter):
    """Redis without persistence: the fastest."""

    name = "Celery, Redis"
    durability = NOT_DURABLE
    distributions = ("celery", "kombu", "redis")

    def start_server(self) -> str:
        """Start Redis."""
        return start_redis(self.processes)

    def start_workers(self, count: int) -> None:
        """Start ``count`` solo workers."""
        for number in range(count):
            self.processes.start(
                script("celery"),
                *("-A", f"{__name__}:app", "--quiet", "worker", "--pool", "solo"),
                *("--hostname", f"worker{number}@%h", "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                env={SERVER: self.server},
            )

    def connect(self, server: str) -> None:
        """Make the application that sends."""
        self._app = make_app(server)
        self._tasks = make_tasks(self._app)

    def disconnect(self) -> None:
        """Close the connections."""
        if app := self.__dict__.pop("_app", None):
            gc.collect()  # results unsubscribe when they go, which needs a server
            app.close()

    @property
    def ways(self) -> Mapping[Way, Submit]:
        """A loop of ``delay``."""

        def each(job: Job, payloads: Sequence[Any]) -> Sequence[Any]:
            task = self._tasks[job]
            return [task.delay(payload) for payload in payloads]

        return {Way.EACH: each}

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for the whole set."""
        results = ResultSet(list(handles), app=self._app)
        return list(results.join_native(timeout=PATIENCE, interval=0.002))

    def versions(self) -> dict[str, str]:
        """Add the server's."""
        return {**super().versions(), **redis_version()}
