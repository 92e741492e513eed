"""A client that writes down what it asks for and what it is told: its own view of a run."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

from nucleus.client import Client, JobHandle
from nucleus.client.client import FLUSH_TIMEOUT
from nucleus.client.connection import Connection
from nucleus.client.tracker import Tracker
from nucleus.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    JobFailed,
    LedgerLost,
    NotFound,
    NucleusError,
    ResourceExhausted,
)
from nucleus.core.job import JobSpec
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended, Forgotten, Lost, Refused
from nucleus.core.refusals import Reason, Refusal
from nucleus.history.observations import (
    CancelAnswered,
    Observation,
    Tidings,
    Told,
    Unanswered,
    submitted,
)
from nucleus.jobs.payload import dump_result

Note = Callable[[Observation], None]  # writes an observation down; called on any thread

_REFUSALS: dict[type[BaseException], Reason] = {
    InvalidArgument: Reason.INVALID,
    AlreadyExists: Reason.KEY_CONFLICT,
    ResourceExhausted: Reason.QUEUE_FULL,
    FailedPrecondition: Reason.KEY_EXPIRED,
}


class RecordedClient(Client):
    """A client whose view is recorded.

    That it asks is written down before it asks, and what it is told after it was told: what is
    written down is never more than what happened, even if the process dies in between.
    """

    def __init__(self, address: str, note: Note, **options: Any) -> None:
        self.id = ""  # by which events name it
        self._note = note
        self._asking = threading.RLock()  # so that numbers are written down in order
        self._numbers = 0  # given to submits and retries so far
        self._unanswered: dict[int, JobHandle] = {}
        self._telling = threading.Lock()  # an end is written down after the acknowledgement
        self._to_answer: queue.SimpleQueue[JobHandle | None] = queue.SimpleQueue()
        super().__init__(address, **options)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    async def _open(self, client_id: str) -> tuple[Connection, Tracker]:
        self.id = client_id
        return await super()._open(client_id)

    # ---- asking -----------------------------------------------------------------------

    def _hand_in(self, like: JobSpec, payload: str, handle: JobHandle) -> None:
        with self._asking:
            asked = replace(like, payload=payload)
            self._note(submitted(time.time(), self.id, self._numbers + 1, asked))
            super()._hand_in(like, payload, handle)
            self._follow(handle)

    def _follow(self, handle: JobHandle) -> None:
        self._numbers = handle.client_seq
        self._unanswered[handle.client_seq] = handle
        self._to_answer.put(handle)
        handle.add_done_callback(self._ended)

    def retry(self, job_id: str) -> JobHandle:
        """Make a new job like an ended one, as :meth:`Client.retry` does."""
        with self._asking:
            handle = super().retry(job_id)
            self._follow(handle)
        return handle

    def cancel(self, job_id: str) -> None:
        """Cancel a job, as :meth:`Client.cancel` does."""
        answer = "cancelled"
        try:
            super().cancel(job_id)
        except FailedPrecondition:
            answer = Reason.ALREADY_ENDED.name
            raise
        except NotFound:
            answer = Reason.UNKNOWN_JOB.name
            raise
        except NucleusError:
            answer = ""  # there was none
            raise
        finally:
            if answer:
                self._note(CancelAnswered(time.time(), self.id, job_id, answer))

    def close(self, timeout: float = FLUSH_TIMEOUT, *, warn: bool = True) -> None:
        """Flush and let go, as :meth:`Client.close` does."""
        super().close(timeout, warn=warn)
        self._to_answer.put(None)
        self._listener.join()

    # ---- being told -------------------------------------------------------------------

    def _told(self, seq: int, news: Tidings) -> None:
        self._note(Told(time.time(), self.id, seq, news))

    def _listen(self) -> None:
        """Wait for one answer after the other."""
        while (handle := self._to_answer.get()) is not None:
            try:
                handle.acknowledged()
            except (NucleusError, CancelledError) as error:
                self._not_taken(handle, error)
            else:
                self._acknowledged(handle)

    def _acknowledged(self, handle: JobHandle) -> None:
        with self._telling:
            if self._unanswered.pop(handle.client_seq, None) is not None:
                self._told(handle.client_seq, Acknowledged(handle.client_seq, handle.id))

    def _not_taken(self, handle: JobHandle, error: BaseException) -> None:
        seq = handle.client_seq
        self._unanswered.pop(seq, None)
        reason = _REFUSALS.get(type(error))
        if reason is not None:
            self._told(seq, Refused(seq, Refusal(reason, str(error))))
        else:  # taken back; or the client was closed, and nobody knows
            self._told(seq, Unanswered(seq, definite=isinstance(error, CancelledError)))

    def _ended(self, future: Future[Any]) -> None:
        assert isinstance(future, JobHandle)
        news = _end(future)
        if news is not None:
            self._acknowledged(future)  # it has been, even if that was not heard yet
            self._told(future.client_seq, news)


def _end(handle: JobHandle) -> Tidings | None:
    """What a handle that is done was told of its job; ``None`` when it never was one."""
    try:
        job_id = handle.acknowledged(0)
    except (NucleusError, CancelledError):
        return None
    seq = handle.client_seq
    if handle.cancelled():
        return Ended(seq, job_id, Status.CANCELLED)
    error = handle.exception()
    match error:
        case None:
            return Ended(seq, job_id, Status.COMPLETED, dump_result(handle.result()))
        case JobFailed():
            return Ended(seq, job_id, Status.FAILED, error=str(error))
        case NotFound():
            return Forgotten(seq, job_id)
        case LedgerLost():
            return Lost(seq, "")
    return None  # the client was closed before
