"""The child process in which jobs run: ``python -m nucleus.jobs.child`` and four descriptors.

The worker opened them for it: ``CHANNEL`` is one end of a socket pair on which tasks come and
answers go, ``PERMITS`` is where it takes its permission to begin each (see ``wire``),
``OUTPUT`` is the reading end of the pipe that descriptors 1 and 2, which belong to the job,
write to, and ``LIFELINE`` is the reading end of a pipe that nobody ever writes to.

The child lives no longer than the worker. When the worker is gone, however it went, the
kernel closes the lifeline's other end, and:

* the kernel itself sends SIGIO, whose default action ends this process even while a job
  holds the interpreter lock;
* a thread that reads the lifeline ends it, should a job have changed what SIGIO does.
"""

import base64
import fcntl
import importlib
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from io import TextIOWrapper
from typing import Any

from nucleus.jobs.functions import unpack
from nucleus.jobs.registry import JobFunction
from nucleus.jobs.run import run
from nucleus.jobs.wire import Message, Unpacker, pack, waiting_bytes

_READ_BYTES = 1 << 16


class Child:
    """Runs the tasks that it has a permit for one by one, and answers each exactly once."""

    def __init__(self, channel: int, permits: int, output: int) -> None:
        self._channel = channel
        self._permits = permits
        self._output = output
        self._pid = os.getpid()
        self._unpacker = Unpacker()
        self._functions: dict[str, JobFunction] = {}
        self._round = 0
        self._tasks: deque[list[Any]] = deque()  # of this round: lease, job type, payload
        self._output_taken = True  # the worker has all that earlier jobs printed

    def serve(self) -> None:
        """Run what comes until no more permits can."""
        self._send({"ready": True})
        self._receive()  # The first message says which modules to import.
        while permit := os.read(self._permits, 1):
            self._attempt(*self._next(permit[0]))

    def _next(self, round_number: int) -> list[Any]:
        """Return the task that a permit of this round is for; it was sent before the permit."""
        while self._round != round_number or not self._tasks:
            self._receive()
        return self._tasks.popleft()

    def _receive(self) -> None:
        """Wait for something from the worker, and take it in."""
        data = os.read(self._channel, _READ_BYTES)
        if not data:
            sys.exit()
        for message in self._unpacker.feed(data):
            self._obey(message)

    def _obey(self, message: Message) -> None:
        if "tasks" in message:
            if message["round"] != self._round:
                self._round = message["round"]
                self._tasks.clear()  # The worker took the permits for these back.
            self._tasks.extend(message["tasks"])
        elif "taken" in message:
            self._output_taken = True
        elif "function" in message:
            self._functions[message["job_type"]] = _unpacked(message["function"])
        else:
            _prepare(message["path"], message["modules"])

    def _attempt(self, lease: int, job_type: str, payload: str) -> None:
        began = time.monotonic()
        outcome = run(self._functions[job_type], payload)
        seconds = time.monotonic() - began
        if os.getpid() != self._pid:
            os._exit(0)  # The job forked, and this is the copy: it has no say here.
        _flush()
        self._output_taken = waiting_bytes(self._output) == 0
        how = outcome.result, outcome.error, outcome.traceback
        self._send((lease, seconds, *how, not self._output_taken))
        while not self._output_taken:  # or the next job's output could be taken for this one's
            self._receive()

    def _send(self, message: Message | tuple[Any, ...]) -> None:
        unsent = memoryview(pack(message))
        while unsent:
            unsent = unsent[os.write(self._channel, unsent) :]


def _unpacked(function: str) -> JobFunction:
    """Return the function that was carried here; one that raises if it cannot be unpacked."""
    try:
        return unpack(base64.b64decode(function))
    except BaseException as error:  # Importing a stranger's module may raise anything.
        return partial(_raise, error)


def _raise(error: BaseException, _: object) -> None:
    raise error


def _prepare(path: list[str], modules: list[str]) -> None:
    """Look for modules where the worker looks, and import the likely ones now.

    An import that fails is not reported here: it fails again, with the first job of it.
    """
    sys.path[:] = path
    for module in modules:
        with suppress(Exception):
            importlib.import_module(module)


def _flush() -> None:
    """Push what the job printed into the pipe, so that it is there before the answer is."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # The job may have closed or replaced it.
            stream.flush()


def _die_with_the_worker(lifeline: int) -> None:
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    # Started last: it also notices a worker that was gone before the signal was set up.
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)  # Returns only when the other end is closed.
    os._exit(1)


def _keep_to_ourselves(*descriptors: int) -> None:
    """Keep the worker's descriptors out of whatever processes a job starts."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
        os.register_at_fork(after_in_child=lambda fd=descriptor: os.close(fd))


def main() -> None:
    """Serve the worker that started this process."""
    channel, permits, output, lifeline = (int(argument) for argument in sys.argv[1:5])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker to handle.
    _keep_to_ourselves(channel, permits, output, lifeline)
    _die_with_the_worker(lifeline)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, TextIOWrapper)
        # By line, so that what a job said before it died is known.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    Child(channel, permits, output).serve()


if __name__ == "__main__":
    main()
