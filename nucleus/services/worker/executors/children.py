"""One child process in which jobs run, seen from the worker.

The other side is ``nucleus.jobs.child``, which tells what its descriptors are for; messages
and permits are explained in ``nucleus.jobs.wire``. Nothing here blocks for longer than it
takes to start or to bury a process: sending and receiving do what can be done at once, and
leave the rest for later.

The child leads a session of its own, so that Ctrl-C in the worker's terminal or notebook
does not reach it, and so that one ``killpg`` also ends what a job has started.
"""

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from nucleus.core.worker import Assignment
from nucleus.jobs.functions import carry
from nucleus.jobs.registry import JobFunction, JobType
from nucleus.jobs.wire import ROUNDS, Message, Unpacker, pack, waiting_bytes

_READ_BYTES = 1 << 16
_MOST_READS = 64  # at once; a pipe holds 64 KiB, so that only a flood needs more than one


class ChildProcess:
    """A started child; raises OSError when it cannot be started."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.ready = False  # it has said so
        self.killed = False  # by us: whatever it still says does not count
        self._known: dict[str, JobFunction] = {}
        self._unsent = bytearray()
        self._unpacker = Unpacker()
        self._round = 0  # its number is the value of a permit
        self.channel, channel = socket.socketpair()
        self._permits, self._permits_end = socket.socketpair()
        # We keep a writing end open, so that a job which closes its own is not an end of output.
        self.output, self._printing = os.pipe()
        lifeline, self._lifeline = os.pipe()
        theirs = channel.fileno(), self._permits_end.fileno(), self.output, lifeline
        try:
            self._process = _spawn(theirs, self._printing)
        except OSError:
            self.close()
            raise
        finally:
            channel.close()
            os.close(lifeline)
        self.channel.setblocking(False)
        self.send({"path": sys.path, "modules": list(modules)})

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's and its session's too."""
        return self._process.pid

    @property
    def unsent(self) -> bool:
        """Whether ``send`` left something for ``flush``."""
        return bool(self._unsent)

    def teach(self, job_type: JobType) -> None:
        """See to it that the child knows the function; raises whatever pickling it raises."""
        if self._known.get(job_type.name) is not job_type.function:
            carried = base64.b64encode(carry(job_type.function)).decode()
            self.send({"job_type": job_type.name, "function": carried})
            self._known[job_type.name] = job_type.function

    def run(self, tasks: Sequence[Assignment]) -> None:
        """Send tasks, of types that were taught, with a permit for each."""
        rows = [(task.lease, task.job_type, task.payload) for task in tasks]
        self.send({"round": self._round, "tasks": rows})
        with suppress(OSError):  # It died; its channel says so too.
            self._permits.sendall(bytes([self._round]) * len(rows))

    def take_back(self) -> int:
        """Take all permits back, and return how many there were.

        So many of the tasks sent, the last ones, have not begun and never will.
        """
        count = 0
        with suppress(BlockingIOError):
            while permits := self._permits_end.recv(_READ_BYTES, socket.MSG_DONTWAIT):
                count += len(permits)
        if count:
            self._round = (self._round + 1) % ROUNDS
        return count

    def send(self, message: Message) -> None:
        """Send ``message``, or as much of it as the child takes now."""
        self._unsent += pack(message)
        self.flush()

    def flush(self) -> None:
        """Send more of what ``send`` left."""
        try:
            while self._unsent:
                del self._unsent[: self.channel.send(self._unsent)]
        except BlockingIOError:
            pass  # The child is busy; its channel will say when to go on.
        except OSError:
            self._unsent.clear()  # It died; its channel says so too.

    def receive(self) -> tuple[list[Any], bool]:
        """Return the messages that have come, and whether the channel is still open."""
        try:
            data = self.channel.recv(_READ_BYTES)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        return self._unpacker.feed(data), bool(data)

    @property
    def has_printed(self) -> bool:
        """Whether ``drain`` would return something."""
        return waiting_bytes(self.output) > 0

    def drain(self) -> bytes:
        """Return what jobs printed since the last time; of a flood, what comes first."""
        chunks = []
        for _ in range(_MOST_READS):
            if not self.has_printed:
                break
            chunks.append(os.read(self.output, _READ_BYTES))
        return b"".join(chunks)

    def kill(self) -> None:
        """End the child and what its jobs started, without waiting for the end."""
        self.killed = True
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a dead one
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> str:
        """Wait for the end of a child that was killed or has ended; return how it ended."""
        status = self._process.wait()
        return _signal_name(-status) if status < 0 else f"exit code {status}"

    def close(self) -> None:
        """Give back every descriptor."""
        for end in (self.channel, self._permits, self._permits_end):
            end.close()
        for descriptor in (self.output, self._printing, self._lifeline):
            os.close(descriptor)


def _spawn(descriptors: Sequence[int], printing: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "nucleus.jobs.child", *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=printing,
        stderr=printing,  # one pipe keeps the order of what was printed
        pass_fds=descriptors,
        start_new_session=True,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # A real-time signal has no name.
        return f"signal {number}"
