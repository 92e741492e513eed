"""What runs a worker's jobs.

* ``base``       what every executor promises
* ``process``    the default: warm child processes, which can be killed
* ``children``   one such child process, seen from the worker
* ``futures``    any ``concurrent.futures.Executor``; and threads of this process
* ``output``     what a job printed, bounded
"""

from collections.abc import Sequence

from nucleus.core.errors import InvalidArgument
from nucleus.jobs import Registry
from nucleus.services.worker.executors.base import Executor, Finished, Report, Task
from nucleus.services.worker.executors.futures import FuturesExecutor, ThreadExecutor
from nucleus.services.worker.executors.process import ProcessExecutor

__all__ = [
    "Executor",
    "Finished",
    "FuturesExecutor",
    "ProcessExecutor",
    "Report",
    "Task",
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
