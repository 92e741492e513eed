"""What runs a worker's jobs.

* ``base``       what every executor promises
* ``process``    the default: warm child processes, which can be killed
* ``slots``      the tasks that one child was sent
* ``children``   one such child process, seen from the worker
* ``threads``    threads of this process
* ``futures``    any ``concurrent.futures.Executor``
* ``output``     what a job printed, bounded
"""

from collections.abc import Sequence

from nucleus.core.errors import InvalidArgument
from nucleus.jobs import Registry
from nucleus.services.worker.executors.base import Executor, OnEnded
from nucleus.services.worker.executors.futures import FuturesExecutor
from nucleus.services.worker.executors.process import ProcessExecutor
from nucleus.services.worker.executors.threads import ThreadExecutor

__all__ = [
    "Executor",
    "FuturesExecutor",
    "OnEnded",
    "ProcessExecutor",
    "ThreadExecutor",
    "make_executor",
]


def make_executor(
    kind: str, slots: int, registry: Registry, modules: Sequence[str] = ()
) -> Executor:
    """Return the executor called ``kind``: ``process`` or ``thread``.

    ``modules`` are imported by each child process when it starts, so that the first job of
    a type that they define is as quick as the next. Raises InvalidArgument.
    """
    if kind == "process":
        return ProcessExecutor(slots, registry, modules)
    if kind == "thread":
        return ThreadExecutor(slots, registry)
    raise InvalidArgument(f"executor: {kind} is not known; known are process, thread")
