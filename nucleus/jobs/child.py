"""The child process in which jobs run: ``python -m nucleus.jobs.child CHANNEL LIFELINE``.

The two arguments are descriptors that the worker opened for it: ``CHANNEL`` is one end of
a socket pair on which tasks come and answers go (see ``wire``), and ``LIFELINE`` is the
reading end of a pipe that nobody ever writes to. Descriptors 1 and 2 belong to the job.

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
from contextlib import suppress
from dataclasses import asdict
from io import TextIOWrapper

from nucleus.jobs.functions import unpack
from nucleus.jobs.registry import JobFunction
from nucleus.jobs.run import Outcome, describe, run
from nucleus.jobs.wire import Message, Unpacker, pack

_READ_BYTES = 1 << 16


class Child:
    """Takes tasks from its channel one by one, and answers each exactly once."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._pid = os.getpid()
        self._functions: dict[str, JobFunction] = {}

    def serve(self) -> None:
        """Run what comes until the channel closes."""
        self._send({"ready": True})
        unpacker = Unpacker()
        while data := os.read(self._channel, _READ_BYTES):
            for message in unpacker.feed(data):
                self._obey(message)

    def _obey(self, message: Message) -> None:
        if setup := message.get("setup"):
            _prepare(setup["path"], setup["modules"])
        for task in message.get("tasks", ()):
            self._send({"lease": task["lease"], **asdict(self._attempt(task))})

    def _attempt(self, task: Message) -> Outcome:
        try:
            function = self._function(task)
        except BaseException as error:  # Importing a stranger's module may raise anything.
            return Outcome(None, describe(error))
        outcome = run(function, task["payload"])
        _flush()
        return outcome

    def _function(self, task: Message) -> JobFunction:
        name: str = task["job_type"]
        if carried := task.get("function"):
            self._functions[name] = unpack(base64.b64decode(carried))
        return self._functions[name]

    def _send(self, message: Message) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # The job forked, and this is the copy: it has no say here.
        unsent = memoryview(pack(message))
        while unsent:
            unsent = unsent[os.write(self._channel, unsent) :]


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
    channel, lifeline = (int(argument) for argument in sys.argv[1:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker to handle.
    _keep_to_ourselves(channel, lifeline)
    _die_with_the_worker(lifeline)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, TextIOWrapper)
        # By line, so that what a job said before it died is known.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    Child(channel).serve()


if __name__ == "__main__":
    main()
