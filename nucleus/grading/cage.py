"""The cage: limits for the process that runs a student's code.

- time, memory and the size of files are limited by the kernel. Time is that of the processor,
  which a busy machine does not use up;
- what a solution has no use for is refused, and named: writing and deleting files, the network,
  other processes (:class:`Fence`, an audit hook of the interpreter);
- where the kernel can, nothing outside a folder can be changed, however it is tried
  (``landlock``), and there is no other process and no signal (``seccomp``).

It keeps accidents and curiosity away from a student's own files and from a grading machine. It
is no wall against somebody who attacks it: the process belongs to the same user, may read what
that user may read, and the interpreter is one that its code can change. Whoever grades code of
people that they do not trust does it in a container or a virtual machine as well.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from nucleus.grading.landlock import confine
from nucleus.grading.seccomp import bind

MERCY = 2  # seconds more, to say where it was
MEMORY = 1 << 30  # bytes more than at the beginning
FILE = 1 << 20  # bytes of a file
FILES = 64  # open at once

REFUSED = {
    "os.remove": "delete the file {0}",
    "os.rmdir": "delete the folder {0}",
    "shutil.rmtree": "delete the folder {0}",
    "os.rename": "rename {0}",
    "os.mkdir": "make the folder {0}",
    "os.link": "make a link to {0}",
    "os.symlink": "make a link to {0}",
    "os.truncate": "cut the file {0} short",
    "os.chmod": "change the rights of {0}",
    "os.chown": "change the owner of {0}",
    "os.system": "run the command {0}",
    "subprocess.Popen": "start the program {0}",
    "os.exec": "start the program {0}",
    "os.posix_spawn": "start the program {0}",
    "os.fork": "start another process",
    "os.forkpty": "start another process",
    "os.kill": "send a signal to process {0}",
    "os.killpg": "send a signal to the processes of group {0}",
    "socket.__new__": "use the network",
    "socket.connect": "use the network",
    "socket.getaddrinfo": "use the network",
    "socket.gethostbyname": "use the network",
    "socket.gethostbyaddr": "use the network",
    "ctypes.dlopen": "load the library {0}",
}
"""Events of the interpreter (https://docs.python.org/3/library/audit_events.html), in words."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(PermissionError):
    """A student's code tried something that a solution has no use for."""


class Fence:
    """Refuses what :data:`REFUSED` names, and remembers the first attempt, however it ended."""

    def __init__(self, note: Callable[[str, FrameType | None], None]) -> None:
        self._note = note

    def close(self) -> None:
        """From now on nobody in this process gets through."""
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        what = ""
        if event in REFUSED:
            what = REFUSED[event].format(*(repr(argument)[:80] for argument in arguments), "")
        elif event == "open" and _to_write(*arguments):
            what = f"write to the file {arguments[0]!r:.80}"
        if what:
            self._note(what, sys._getframe(1))
            raise Forbidden(f"not allowed to {what}")


def _to_write(path: object, mode: object, flags: object) -> bool:
    if isinstance(path, int):
        return False  # a descriptor that is open already
    return isinstance(flags, int) and bool(flags & _WRITES)


def limit(out_of_time: Callable[[int, FrameType | None], None], folder: Path, seconds: int) -> None:
    """Set the limits; ``out_of_time`` is told where it was after ``seconds`` of the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    signal.signal(signal.SIGXCPU, out_of_time)
    memory = _virtual() + MEMORY
    for what, soft, hard in (
        (resource.RLIMIT_CPU, spent + seconds, spent + seconds + MERCY),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, FILE, FILE),
        (resource.RLIMIT_NOFILE, FILES, FILES),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with suppress(ValueError, OSError):  # not every system has every limit
            resource.setrlimit(what, (soft, hard))
    confine(folder)
    bind()


def _virtual() -> int:
    """Bytes of address space that this process has."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # another system than Linux
        return 4 * MEMORY
    return pages * resource.getpagesize()
