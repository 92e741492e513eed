"""Whether a file may be a store, and the lock that keeps a second master out of it."""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import TextIO

from nucleus.core.errors import StoreRefused
from nucleus.stores.schema import APPLICATION_ID, check_version

_MAGIC = b"SQLite format 3\0"


def check_folder(path: Path) -> None:
    """SQLite makes files beside the store, so the folder must be there and writable."""
    if not path.parent.is_dir():
        raise StoreRefused(f"store: the folder {path.parent} does not exist; make it first")
    if _read_only(path.parent):
        message = f"store: the folder of {path} is read-only; a master makes files beside it"
        raise StoreRefused(message)


def _read_only(path: Path) -> bool:
    # Root may write whatever the mode says, but whoever set it did not mean us to.
    return path.stat().st_mode & 0o222 == 0 or not os.access(path, os.W_OK)


def check_file(path: Path) -> None:
    """Look at an existing file without changing it, or anything beside it."""
    if not path.exists():
        return
    if not path.is_file():
        raise StoreRefused(f"store: {path} is not a file")
    if _read_only(path):
        raise StoreRefused(f"store: {path} is read-only; a master must be able to write to it")
    if path.stat().st_size == 0:
        return
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise StoreRefused(f"store: {path} is not a database")
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreRefused(f"store: {path} is not a database ({error})") from None
    if application != APPLICATION_ID:
        raise StoreRefused(f"store: {path} is a database of another program")
    check_version(version, path)


def hold_lock(path: Path, take_over: bool) -> TextIO:
    """Hold ``FILE.lock`` for as long as this process lives; its content is the process id."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        handle = open(lock_path, "a+")  # noqa: SIM115 - held open for the life of the store
        holder = _hold(handle)
        if holder and take_over:
            handle.close()
            lock_path.unlink(missing_ok=True)  # its holder keeps a file that has no name
            return hold_lock(path, take_over=False)
    except OSError as error:
        raise StoreRefused(f"store: {path} cannot be locked: {error}") from None
    if holder:
        handle.close()
        message = f"store: {path} is in use by the master with process id {holder}"
        raise StoreRefused(f"{message}; stop it, or start with --take-over")
    return handle


def _hold(handle: TextIO) -> str:
    """Lock the file and write who holds it; return the holder if that is somebody else."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        return handle.read().strip() or "unknown"
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return ""
