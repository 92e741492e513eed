"""An executor of daemon threads, which never keeps the interpreter from ending."""

import queue
import threading
from collections.abc import Callable
from concurrent import futures
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(futures.Executor):
    """A fixed number of daemon threads.

    ``ThreadPoolExecutor`` will not do: the interpreter waits for its threads at exit.
    """

    def __init__(self, count: int, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._busy: set[threading.Thread] = set()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> "futures.Future[T]":
        """Call the function in the first thread that is free."""
        future: futures.Future[T] = futures.Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self._calls.put(call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads: idle ones now, busy ones after their call. Waits for the idle."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            while wait and thread.is_alive() and thread not in self._busy:
                thread.join(timeout=0.02)  # It may only just be taking up its last call.

    def _serve(self) -> None:
        thread = threading.current_thread()
        while (call := self._calls.get()) is not None:
            self._busy.add(thread)
            call()
            self._busy.discard(thread)
