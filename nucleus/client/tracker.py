"""Follows submits from the first call to the last event, on the background loop.

Three duties run around one ``ClientSession``: sending what was submitted, watching events,
and asking for jobs whose events may have been missed. The session is guarded by one lock,
because ``submit`` is called on the user's threads. Handles learn what happened on one
callback thread, never on the loop: a callback that blocks must not stop the calls.
"""

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Coroutine
from concurrent import futures
from typing import Any

import grpc
import grpc.aio

from nucleus.client.connection import CALL_TIMEOUT, Connection
from nucleus.client.ends import STATUSES, end_of_job, ends_in
from nucleus.client.handle import JobHandle, Told
from nucleus.core.client_session import Asked, ClientSession
from nucleus.core.errors import (
    FailedPrecondition,
    JobFailed,
    LedgerLost,
    NotFound,
    NucleusError,
    Unauthenticated,
    Unavailable,
)
from nucleus.core.job import JobSpec, Order
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended, Forgotten, Lost, News, Refused
from nucleus.core.refusals import Reason, Refusal
from nucleus.jobs import parse_payload
from nucleus.rpc import convert, loop
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.status import PASSING, brief, is_unauthenticated, refusal_error, rpc_error

logger = logging.getLogger("nucleus.client")

SEND_TIMEOUT = 10.0  # seconds: a commit on a slow disk is worth waiting for
FOLLOW_INTERVAL = 1.0  # seconds between two looks at jobs that events do not tell about
LOOKUP_BATCH = 1_000  # job ids in one call
TELLING = 1.0  # seconds that the callback thread may take to end a handle
KEPT_REFUSALS = 1_000  # handles, to warn of those that nobody looked at


class Tracker:
    """Owns the handles of one client."""

    def __init__(self, connection: Connection, client_id: str, running: loop.LoopThread) -> None:
        self._connection = connection
        self._session = ClientSession(client_id)
        self._loop = running
        self._handles: dict[int, JobHandle] = {}  # by client_seq, not ended
        self._refused: deque[JobHandle] = deque(maxlen=KEPT_REFUSALS)
        # Guards the session and the handles. It is taken as a lock, never as a condition: an
        # interrupt of the main thread within ``Condition.__enter__`` would leave it locked.
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self.told = Told()
        self._woken = False  # the sender knows that there is something to send
        self.ended = ""  # why nothing is submitted or followed any more
        self._ended_by: type[NucleusError] | None = None  # the error that says so, if one does
        self._news: queue.SimpleQueue[list[News] | None] = queue.SimpleQueue()
        self._callbacks = threading.Thread(
            target=self._tell, name=f"nucleus-callbacks-{client_id[:6]}", daemon=True
        )
        self._callbacks.start()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin the duties; called on the loop."""
        self._to_send = asyncio.Event()
        self._watching = asyncio.Event()  # what is acknowledged from now on is not missed
        self._missed = True  # events, perhaps: what is open has to be looked up
        for duty in (self._send_for_ever(), self._watch_for_ever(), self._follow_for_ever()):
            self._tasks.append(asyncio.create_task(self._guard(duty)))

    async def _guard(self, duty: Coroutine[Any, Any, None]) -> None:
        try:
            await duty
        except Unauthenticated as error:
            self._end_duties(str(error), Unauthenticated)
        except Exception as error:
            logger.exception("the client ended: a bug, or a master that answers nonsense")
            self._end_duties(f"the client ended ({type(error).__name__}: {error})")

    def _end_duties(self, reason: str, kind: type[NucleusError] | None = None) -> None:
        self._finish(reason, kind)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def stop(self) -> None:
        """End the duties; called on the loop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # with them go frames that hold on to calls

    def close(self) -> None:
        """End the callback thread, after what it still has to tell."""
        self._finish("the client was closed")
        del self._connection  # else gRPC keeps a thread for it
        if threading.current_thread() is not self._callbacks:
            self._callbacks.join()

    def _finish(self, reason: str, kind: type[NucleusError] | None = None) -> None:
        with self._lock:
            if not self.ended:
                self.ended, self._ended_by = reason, kind
            self._room.notify_all()
        self._news.put(None)

    # ---- on the user's threads --------------------------------------------------------

    def submit(self, like: JobSpec, payload: str, handle: JobHandle) -> None:
        """Take in a submit; waits while too many are unacknowledged (back-pressure)."""
        with self._lock:
            if self._session.full:
                self._room.wait_for(lambda: self.ended or not self._session.full)
            if self.ended:
                error = self._ended_by or FailedPrecondition
                raise error(f"{self.ended}; nothing was submitted")
            handle.client_seq = self._session.submit(like, payload)
            self._handles[handle.client_seq] = handle
            if not self._woken:
                self._loop.call(self._to_send.set)  # first: an interrupt may come in between
                self._woken = True

    def adopt(self, job_id: str, handle: JobHandle) -> None:
        """Follow a job that was made in another way."""
        handle.set_acknowledged(job_id)
        with self._lock:
            if self.ended:
                raise Unavailable(f"{self.ended}; nobody follows {job_id}")
            handle.client_seq = self._session.adopt(job_id)
            self._handles[handle.client_seq] = handle

    def withdraw(self, handle: JobHandle) -> bool:
        """Take a submit back; return whether it certainly never reached the master."""
        with self._lock:
            if not self._session.withdraw(handle.client_seq):
                return False
            self._room.notify_all()
        self.end_cancelled(handle)
        return True

    def forget(self, handle: JobHandle) -> None:
        """Let go of an acknowledged submit: nobody follows its job, so nobody may wait for it."""
        with self._lock:
            self._session.forget(handle.client_seq)
        if self._handles.pop(handle.client_seq, None) is not None:
            handle.set_exception(Unavailable("nobody follows this job any more"))
            self.told.tell()

    def end_cancelled(self, handle: JobHandle) -> None:
        """The job is cancelled for certain; end its handle without waiting for the event."""
        if self._handles.pop(handle.client_seq, None) is None:
            futures.wait([handle], timeout=TELLING)  # the callback thread is just doing it
            return
        handle.set_cancelled()
        self.told.tell()

    def flush(self, timeout: float | None) -> int:
        """Wait until every submit is answered; return how many are not, after ``timeout`` s."""
        with self._lock:
            self._room.wait_for(lambda: self.ended or not self._session.unacknowledged, timeout)
            return self._session.unacknowledged

    def unread_refusals(self) -> list[BaseException]:
        """Refusals that nobody has looked at."""
        return [error for handle in self._refused if (error := handle.unread_refusal)]

    # ---- sending ----------------------------------------------------------------------

    async def _send_for_ever(self) -> None:
        backoff = self._connection.backoff()
        while True:
            await self._to_send.wait()
            await self._watching.wait()
            self._to_send.clear()
            with self._lock:
                self._woken = False
                batch = self._session.next_batch()
            while batch:
                delay = await self._send(batch)
                if delay is None:
                    backoff.succeeded()
                else:
                    await asyncio.sleep(backoff.failed(delay))
                with self._lock:
                    batch = self._session.next_batch()

    async def _send(self, batch: list[Order]) -> str | None:
        """Send a batch; return why it has to be sent again, or ``None``."""
        orders = [convert.order_to_message(order) for order in batch]
        request = pb.SendJobsRequest(client_id=self._session.client_id, orders=orders)
        try:
            reply = await self._connection.submitting.ask(request, SEND_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return self._not_sent(batch, error)
        outcomes = convert.outcomes_from_message(reply)
        with self._lock:
            self._hear(reply.ledger_id)
            self._publish(self._session.answered(outcomes))
            self._room.notify_all()
        return None

    def _not_sent(self, batch: list[Order], error: grpc.aio.AioRpcError) -> str | None:
        if is_unauthenticated(error):
            raise rpc_error(error) from None
        with self._lock:
            if error.code() in PASSING:
                self._session.broken()
                return error.details() or error.code().name
            # The call as a whole was refused: sending it again would be refused again.
            refusal = Refusal(Reason.INVALID, error.details() or error.code().name)
            count = sum(len(order.payloads) for order in batch)
            self._publish(self._session.answered([refusal] * count))
            self._room.notify_all()
            return None

    # ---- watching ---------------------------------------------------------------------

    async def _watch_for_ever(self) -> None:
        backoff = self._connection.backoff()
        while True:
            try:
                await self._watch()
                backoff.succeeded()
                await asyncio.sleep(0)
            except (grpc.aio.AioRpcError, TimeoutError) as error:
                if is_unauthenticated(error):
                    raise rpc_error(error) from None
                if self._lost_place(error):
                    continue
                await asyncio.sleep(backoff.failed(brief(error)))

    def _lost_place(self, error: Exception) -> bool:
        """Whether the history no longer reaches back, or is another one: begin from now."""
        out_of_range = (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.INVALID_ARGUMENT)
        if isinstance(error, grpc.aio.AioRpcError) and error.code() in out_of_range:
            with self._lock:
                lost = self._session.next_seq != 0
                self._session.lost_place()
            self._missed = True
            return lost
        return False

    async def _watch(self) -> None:
        request = pb.WatchEventsRequest(
            from_seq=self._session.next_seq, client_id=self._session.client_id, kinds=STATUSES
        )
        # From now on: so it is after a start, and when another ledger was heard of.
        self._missed = self._missed or not request.from_seq
        call = self._connection.stub.WatchEvents(request)
        try:
            # Not `wait_for`: it loses the end of a task that coincides with the answer.
            async with asyncio.timeout(CALL_TIMEOUT):
                batch = await call.read()
            if self._missed and isinstance(batch, pb.EventBatch):
                with self._lock:  # again: what was submitted meanwhile may have ended, too
                    self._session.lost_place()
                self._take(batch)
                with self._lock:
                    asked = self._session.lookup()
                await self._look_up(asked)
                self._missed = False
                self._watching.set()
            while isinstance(batch, pb.EventBatch):
                self._take(batch)
                batch = await call.read()
        finally:
            call.cancel()

    def _take(self, batch: pb.EventBatch) -> None:
        with self._lock:
            self._hear(batch.ledger_id)
            self._publish(self._session.seen(ends_in(batch.events), batch.next_seq))

    async def _follow_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_INTERVAL)
            with self._lock:
                asked = self._session.shared()
            try:
                await self._look_up(asked)
            except grpc.aio.AioRpcError as error:
                logger.debug("jobs could not be looked up: %s", error)

    async def _look_up(self, asked: Asked) -> None:
        waiting = deque(asked)
        while waiting:
            batch = [waiting.popleft() for _ in range(min(LOOKUP_BATCH, len(waiting)))]
            request = pb.LookupJobsRequest(job_ids=batch)
            reply = await self._connection.stub.LookupJobs(request, timeout=CALL_TIMEOUT)
            answered = {job.job_id for job in reply.jobs} | set(reply.unknown)
            if answered:  # A reply holds only so much: ask for the rest.
                waiting.extendleft(job_id for job_id in batch if job_id not in answered)
            ends = [end for job in reply.jobs if (end := end_of_job(job)) is not None]
            with self._lock:
                self._hear(reply.ledger_id)
                self._publish(self._session.found(asked, ends))
                self._publish(self._session.missing(asked, reply.unknown))

    # ---- telling ----------------------------------------------------------------------

    def _hear(self, ledger_id: str) -> None:
        lost = self._session.heard(ledger_id)
        if lost:
            logger.warning("another ledger answers; %d open jobs are lost", len(lost))
            self._publish(lost)

    def _publish(self, news: list[News]) -> None:
        if news:
            self._news.put(news)

    def _tell(self) -> None:
        while (news := self._news.get()) is not None:
            for item in news:
                try:
                    self._tell_one(item)
                except Exception:
                    logger.exception("a handle could not be told what became of its job")
            self.told.tell()
        self._let_go()

    def _let_go(self) -> None:
        """Nobody follows the open jobs any more, so nobody may wait for them."""
        error = self._ended_by or Unavailable
        message = f"{self.ended} before the job ended; the job may go on"
        while self._handles:
            _, handle = self._handles.popitem()
            handle.set_exception(error(message, definite=False))
        self.told.tell()

    def _tell_one(self, item: News) -> None:
        if isinstance(item, Acknowledged):
            handle = self._handles.get(item.client_seq)
            if handle is not None:
                handle.set_acknowledged(item.job_id)
            return
        handle = self._handles.pop(item.client_seq, None)
        if handle is None:
            return
        match item:
            case Ended():
                handle.set_acknowledged(item.job_id)
                _end(handle, item)
            case Refused(refusal=refusal):
                self._refused.append(handle)
                handle.set_exception(refusal_error(refusal))
            case Lost(ledger_id=ledger_id):
                message = f"the ledger that knew the job is gone; {ledger_id} is in its place"
                handle.set_exception(LedgerLost(message))
            case Forgotten(job_id=job_id):
                message = f"{job_id} has ended, too long ago to be kept; its result is not known"
                handle.set_exception(NotFound(message, definite=False))


def _end(handle: JobHandle, ended: Ended) -> None:
    if ended.status is Status.COMPLETED:
        try:
            handle.set_result(parse_payload(ended.result))
        except ValueError as error:  # an older master let it in
            handle.set_exception(JobFailed(f"the result cannot be read: {error}"))
    elif ended.status is Status.FAILED:
        handle.set_exception(JobFailed(ended.error))
    else:
        handle.set_cancelled()
