"""The handle of a submitted job: a ``concurrent.futures.Future``."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures._base import FINISHED, PENDING
from typing import Any

from nucleus.core.errors import Unavailable

# Under the conditions of all clients: ``futures.wait`` takes the locks of its futures in the
# order of the futures, which is an order of the locks only if that is one lock (or one each).
_LOCK = threading.RLock()


class Told(threading.Condition):
    """The condition that all handles of a client share, notified once for each batch of news.

    A condition for each future is most of what a future costs to make, and to notify one for
    each result wakes waiters that have nothing to hear.
    """

    # Of the lock itself, not of the base class, which would call these: they are used most.
    __enter__ = _LOCK.__enter__
    __exit__ = _LOCK.__exit__

    def __init__(self) -> None:
        super().__init__(_LOCK)

    def notify_all(self) -> None:
        """A future of this client has ended; whoever waits hears of it with the batch."""

    def tell(self) -> None:
        """Handles have learned something."""
        with self:
            super().notify_all()


class JobHandle(Future[Any]):
    """What will become of a job. ``as_completed``, ``wait`` and callbacks work as usual.

    ``result()`` raises ``JobFailed`` when the job failed, ``CancelledError`` when it was
    cancelled, ``LedgerLost`` when the ledger that knew it is gone, and the refusal
    (``InvalidArgument`` …) when the master did not take it in.

    A program may hold very many, and whatever they consist of is visited by each full run of
    the garbage collector. So a handle is one object: what it has in common with every new
    future belongs to the class, and lists are made for those that somebody adds something to.
    """

    client_seq = 0  # the client's number for it
    _job_id: str | None = None
    _looked_at = False
    _waiting: list[Any] | None = None
    _done_callbacks: list[Callable[[Future[Any]], object]] | tuple[()] = ()

    def __init__(
        self,
        job_type: str,
        payload: Any,
        ask_cancel: Callable[["JobHandle"], bool],
        told: Told,
    ) -> None:
        # Not as the base class does, which would make a condition. A wait of the base class
        # would take a notification that is not its future's for the time-out, so :meth:`_wait`
        # waits in its place.
        self._condition = self._told = told
        self.job_type = job_type
        self.payload = payload
        self._ask_cancel = ask_cancel

    @property
    def _waiters(self) -> list[Any]:
        """What the functions of ``concurrent.futures`` add to each future they wait for."""
        if self._waiting is None:
            self._waiting = []
        return self._waiting

    @_waiters.setter
    def _waiters(self, waiters: list[Any]) -> None:
        self._waiting = waiters

    @property
    def id(self) -> str:
        """The job's id; waits until the submit is acknowledged."""
        return self.acknowledged()

    def acknowledged(self, timeout: float | None = None) -> str:
        """Wait until the job is durable; return its id.

        Raises the refusal when there was one, ``CancelledError`` when the submit was taken
        back, ``Unavailable`` after ``timeout`` seconds.
        """
        with self._told:
            self._told.wait_for(lambda: self._job_id or self.done(), timeout)
        if self._job_id is not None:
            return self._job_id
        if self.done() and (error := self.exception()) is not None:
            raise error
        raise Unavailable(f"no acknowledgement within {timeout} s; the job may have been taken in")

    def cancel(self) -> bool:
        """Ask the master to cancel the job; return whether it is cancelled now."""
        return self.cancelled() or (not self.done() and self._ask_cancel(self))

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result, at most ``timeout`` seconds."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end; return the error, or ``None`` for a completed job."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | None) -> None:
        self._looked_at = True
        if self.done():
            return
        with self._told:
            if not self._told.wait_for(self.done, timeout):
                raise TimeoutError

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Call ``fn`` with this handle when the job has ended."""
        self._looked_at = True

        def call(handle: Future[Any]) -> None:
            self._told.tell()  # first: it may take its time, or wait for whoever waits here
            fn(handle)

        with self._told:
            self._done_callbacks = self._done_callbacks or []
        super().add_done_callback(call)

    def __repr__(self) -> str:
        """Type, payload and what is known of it."""
        if self.cancelled():
            state = "cancelled"
        elif self.done():
            failed = super().exception() is not None
            state = "failed" if failed else "completed"
        else:
            state = "acknowledged" if self._job_id else "submitted"
        name = f" {self._job_id}" if self._job_id else ""
        return f"<JobHandle{name} {self.job_type}({self.payload!r}) {state}>"

    # ---- for the tracker, on the callback thread --------------------------------------

    def set_acknowledged(self, job_id: str) -> None:
        """The submit is durable; whoever waits for that is notified by the tracker."""
        self._job_id = job_id

    def set_result(self, result: Any) -> None:
        """The job completed."""
        with self._told:
            if self._state == PENDING and not self._waiting and not self._done_callbacks:
                # As the base class does, but for making lists of those whom it has to tell.
                self._result, self._state = result, FINISHED
                return
        super().set_result(result)

    def set_cancelled(self) -> None:
        """The job was cancelled, by whomever."""
        super().cancel()
        self.set_running_or_notify_cancel()

    @property
    def unread_refusal(self) -> BaseException | None:
        """The refusal of the submit, if there was one and nobody has looked."""
        if self._looked_at or self._job_id is not None or not self.done() or self.cancelled():
            return None
        return super().exception()


# What every new future has, but for what is each one's own or the client's.
for _name, _value in vars(Future[Any]()).items():
    if _name not in ("_condition", "_waiters", "_done_callbacks"):
        setattr(JobHandle, _name, _value)
