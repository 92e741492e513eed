"""Whether a file may be a store, and the lock that keeps a second master out of it."""

import fcntl
import os
import struct
from pathlib import Path
from typing import TextIO

from nucleus.core.errors import StoreRefused
from nucleus.stores.schema import APPLICATION_ID, check_version

_MAGIC = b"SQLite format 3\0"
_HEADER = struct.Struct(">16s44xI4xI28x")  # magic, user_version, application_id


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
        # Not through SQLite: a file whose last master died in a checkpoint is whole only
        # together with its WAL, which is not to be touched here.
        with open(path, "rb") as file:
            magic, version, application = _HEADER.unpack(file.read(_HEADER.size))
    except (OSError, struct.error) as error:
        raise StoreRefused(f"store: {path} is not a database ({error})") from None
    if magic != _MAGIC:
        raise StoreRefused(f"store: {path} is not a database")
    if application != APPLICATION_ID:
        raise StoreRefused(f"store: {path} is a database of another program")
    check_version(version, path)


def hold_lock(path: Path, take_over: bool) -> TextIO:
    """Hold ``FILE.lock`` for as long as this process lives; its content is the process id."""
    lock_path = _lock_path(path)
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


def still_holds(handle: TextIO, path: Path) -> bool:
    """Whether nobody has taken the store over: that puts another lock file in this one's place."""
    try:
        ours, there = os.fstat(handle.fileno()), _lock_path(path).stat()
    except OSError:
        return False
    return os.path.samestat(ours, there)


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


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
