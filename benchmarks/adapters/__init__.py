"""One module for each queue, imported only when it is measured."""

from importlib import import_module
from typing import cast

from benchmarks.adapter import Adapter

ADAPTERS = {
    "nucleus-sqlite": "nucleus:SqliteThreads",
    "nucleus-sqlite-process": "nucleus:SqliteProcesses",
    "nucleus-memory": "nucleus:MemoryThreads",
    "nucleus-memory-process": "nucleus:MemoryProcesses",
    "huey-redis": "huey:HueyRedis",
    "huey-redis-fsync": "huey:HueyRedisFsync",
    "huey-sqlite": "huey:HueySqlite",
    "dramatiq": "dramatiq:Dramatiq",
    "celery": "celery:Celery",
    "rq": "rq:Rq",
    "taskiq": "taskiq:Taskiq",
    "dask": "dask:Dask",
    "ipyparallel": "ipyparallel:Ipyparallel",
}
NUCLEUS = [key for key in ADAPTERS if key.startswith("nucleus-")]
# The fastest two when each peer was measured one call per job.
FASTEST_PEERS = ["huey-redis", "dramatiq"]


def load(key: str) -> Adapter:
    """Return the adapter under this key of ``ADAPTERS``, not started."""
    module, name = ADAPTERS[key].split(":")
    found = getattr(import_module(f"{__name__}.{module}"), name)
    return cast(Adapter, found(key))
