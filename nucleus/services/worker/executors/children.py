"""One child process in which jobs run, seen from the worker.

The other side is ``nucleus.jobs.child``, which tells what the channel and the lifeline are
for. Nothing here blocks for longer than it takes to start or to bury a process: sending
and receiving do what can be done at once, and leave the rest for later.

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

from nucleus.jobs.functions import carry
from nucleus.jobs.registry import JobFunction, JobType
from nucleus.jobs.wire import Message, Unpacker, pack
from nucleus.services.worker.executors.base import Task

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
        self.channel, theirs = socket.socketpair()
        lifeline_end, self._lifeline = os.pipe()
        try:
            self._process = _spawn(theirs.fileno(), lifeline_end)
        except OSError:
            self.channel.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(lifeline_end)
        self.channel.setblocking(False)
        assert self._process.stdout is not None  # We asked for a pipe.
        self.output = self._process.stdout
        os.set_blocking(self.output.fileno(), False)
        self.send({"setup": {"path": sys.path, "modules": list(modules)}})

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's and its session's too."""
        return self._process.pid

    @property
    def unsent(self) -> bool:
        """Whether ``send`` left something for ``flush``."""
        return bool(self._unsent)

    def run(self, task: Task, job_type: JobType) -> None:
        """Send ``task``; raises whatever pickling the function of ``job_type`` raises."""
        message: Message = {
            "lease": task.lease,
            "job_type": task.job_type,
            "payload": task.payload,
        }
        if self._known.get(task.job_type) is not job_type.function:
            message["function"] = base64.b64encode(carry(job_type.function)).decode()
            self._known[task.job_type] = job_type.function
        self.send({"tasks": [message]})

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

    def receive(self) -> tuple[list[Message], bool]:
        """Return the messages that have come, and whether the channel is still open."""
        try:
            data = self.channel.recv(_READ_BYTES)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        return list(self._unpacker.feed(data)), bool(data)

    def read_output(self) -> bytes | None:
        """Return what jobs printed since the last time, or None when no more can come."""
        try:
            return os.read(self.output.fileno(), _READ_BYTES) or None
        except BlockingIOError:
            return b""

    def drain(self) -> bytes:
        """Return all that jobs have printed up to now."""
        chunks = []
        for _ in range(_MOST_READS):
            chunk = self.read_output()
            if not chunk:
                break
            chunks.append(chunk)
        return b"".join(chunks)

    def kill(self) -> None:
        """End the child and what its jobs started, without waiting for the end."""
        self.killed = True
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a dead one
            os.killpg(self._process.pid, signal.SIGKILL)

    def bury(self) -> str:
        """Wait for the end of a child that has ended or was killed; return how it ended."""
        self.kill()  # What its jobs started, and itself if it only closed its channel.
        status = self._process.wait()
        self.channel.close()
        self.output.close()
        os.close(self._lifeline)
        return _signal_name(-status) if status < 0 else f"exit code {status}"


def _spawn(channel: int, lifeline: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "nucleus.jobs.child", str(channel), str(lifeline)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # one pipe keeps the order of what was printed
        bufsize=0,
        pass_fds=(channel, lifeline),
        start_new_session=True,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # A real-time signal has no name.
        return f"signal {number}"
