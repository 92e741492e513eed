"""Stores keep what the rules decided; they know no rules."""

import secrets
from pathlib import Path

from nucleus.core.retention import Retention
from nucleus.stores.contract import Store
from nucleus.stores.memory import MemoryDisk, MemoryStore
from nucleus.stores.sqlite import SqliteStore

__all__ = ["MemoryDisk", "MemoryStore", "SqliteStore", "Store", "open_store"]


def open_store(where: str, *, take_over: bool = False, retention: Retention | None = None) -> Store:
    """Open ``"memory"``, or the SQLite file at the path ``where``.

    Raises ``StoreRefused`` when the file cannot be used.
    """
    if where == "memory":
        return MemoryStore(MemoryDisk(secrets.token_hex(3)), retention)
    return SqliteStore(Path(where), take_over=take_over, retention=retention)
