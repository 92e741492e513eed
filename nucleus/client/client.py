"""The client: how notebooks, the dashboard, the command line and tests use a master."""

import asyncio
import atexit
import json
import secrets
import warnings
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc.aio

from nucleus.client.connection import CALL_TIMEOUT, PATIENCE, Connection
from nucleus.client.handle import JobHandle
from nucleus.client.tracker import Tracker
from nucleus.client.views import JobView, Stats, WorkerView, job_view, stats_view
from nucleus.core.checks import check_spec
from nucleus.core.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from nucleus.core.events import Event
from nucleus.core.job import JobSpec
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import invalid
from nucleus.jobs import Registry, default_registry, parse_payload
from nucleus.rpc import convert, loop
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.access import Access
from nucleus.rpc.status import PASSING, rpc_error

FLUSH_TIMEOUT = 5.0  # seconds that closing waits for acknowledgements
PAGE = 1_000  # jobs
_ENCODER = json.JSONEncoder(allow_nan=False)  # ``json.dumps`` would make one for each call


class Client:
    """Submits jobs to the master at ``HOST:PORT`` and follows them.

    Submits return at once and travel in batches; each is sent again until it is answered,
    and the master makes one job of it. A missing master is waited for. Close the client, or
    use it in a ``with``: that flushes what is under way. ``patience`` is how many seconds any
    other call waits for a master.

    ``token`` is what the master asks for, and ``tls_ca`` the file of the authority that vouches
    for it; where they are not given, ``NUCLEUS_TOKEN_FILE`` (or ``NUCLEUS_TOKEN``) and
    ``NUCLEUS_TLS_CA`` are looked at. "" stands for none.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        token: str | None = None,
        tls_ca: str | Path | None = None,
        registry: Registry | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.address = address
        self._access = Access.given(token, tls_ca)
        self._patience = patience
        self._registry = registry or default_registry()
        self._loop = loop.acquire()
        client_id = secrets.token_hex(8)
        self._connection, self._tracker = self._loop.run(self._open(client_id))
        self._closed = False
        # Of the last submit: those that share the very same options travel together. One
        # attribute, read and written as a whole, because any thread may submit.
        self._last: tuple[tuple[Any, ...], JobSpec] = ((), JobSpec("", ""))
        self._ask_cancel = self._cancel_handle  # one method object for all handles
        # The interpreter may end before anybody closes the client.
        reference = weakref.ref(self)
        self._at_exit = lambda: client.close() if (client := reference()) else None
        atexit.register(self._at_exit)

    async def _open(self, client_id: str) -> tuple[Connection, Tracker]:
        connection = Connection(self.address, self._access)
        tracker = Tracker(connection, client_id, self._loop)
        await tracker.start()
        return connection, tracker

    # ---- submitting -------------------------------------------------------------------

    def submit(
        self,
        job_type: str,
        payload: Any,
        *,
        priority: int = 0,
        delay: float = 0.0,
        max_attempts: int = 3,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> JobHandle:
        """Submit a job; return its handle at once.

        Higher ``priority`` runs first. ``delay`` and ``timeout`` (for each attempt) are in
        seconds. Raises ``InvalidArgument`` for what can be seen to be wrong from here; what
        only the master can refuse arrives on the handle.
        """
        options = (job_type, priority, delay, max_attempts, timeout, idempotency_key)
        # Equal is not the same: 1, 1.0 and True are.
        known = (*options, type(priority), type(delay), type(max_attempts), type(timeout))
        checked, like = self._last
        if known != checked:
            like = _check_options(*options)
            self._last = known, like
        text = self._payload(job_type, payload)
        handle = JobHandle(job_type, payload, self._ask_cancel, self._tracker.told)
        self._check_open()
        self._hand_in(like, text, handle)
        return handle

    def _hand_in(self, like: JobSpec, payload: str, handle: JobHandle) -> None:
        """Have a submit sent, of which everything was checked."""
        self._tracker.submit(like, payload, handle)

    def submit_many(
        self, job_type: str, payloads: Iterable[Any], **options: Any
    ) -> list[JobHandle]:
        """Submit a job for each payload, with the options of :meth:`submit`."""
        return [self.submit(job_type, payload, **options) for payload in payloads]

    def map(self, job_type: str, payloads: Iterable[Any], **options: Any) -> Iterator[Any]:
        """Submit a job for each payload now; yield the results in the order of the payloads."""
        handles = self.submit_many(job_type, payloads, **options)
        return (handle.result() for handle in handles)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until every submit is durable; raises ``Unavailable`` after ``timeout`` s."""
        left = self._tracker.flush(timeout)
        if left:
            why = self._tracker.ended or f"{timeout} s have passed"
            raise Unavailable(f"{left} submits were not acknowledged: {why}")

    def withdraw(self, handle: JobHandle) -> bool:
        """Take back a submit; return whether it certainly never reached the master."""
        return self._tracker.withdraw(handle)

    def forget(self, handle: JobHandle) -> None:
        """Keep nothing of an acknowledged submit; its handle ends, whatever becomes of the job."""
        self._tracker.forget(handle)

    def _payload(self, job_type: str, payload: Any) -> str:
        try:
            text = repr(payload) if type(payload) is int else _ENCODER.encode(payload)
            if job_type not in self._registry:
                parse_payload(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgument(f"payload: {error}; a payload is a JSON value") from None
        if job_type in self._registry:
            problem = self._registry.check(job_type, text)
            if problem:
                raise InvalidArgument(problem)
        return text

    # ---- one job ----------------------------------------------------------------------

    def job(self, job_id: str) -> JobView:
        """The job under this id. Raises ``NotFound``."""
        request = pb.LookupJobsRequest(job_ids=[job_id])
        reply = self._ask("LookupJobs", request)
        if not reply.jobs:
            raise NotFound(f"job_id: {job_id!r} is not known here")
        return job_view(reply.jobs[0])

    def cancel(self, job_id: str) -> None:
        """Cancel a job. Raises ``NotFound``, or ``FailedPrecondition`` when it has ended."""
        self._ask("CancelJob", pb.CancelJobRequest(job_id=job_id))

    def retry(self, job_id: str) -> JobHandle:
        """Make a new job like an ended one; return its handle.

        Raises ``NotFound``, or ``FailedPrecondition`` when the job has not ended.
        """
        job = self.job(self.make_again(job_id))
        handle = JobHandle(job.job_type, job.payload, self._ask_cancel, self._tracker.told)
        self._tracker.adopt(job.id, handle)
        return handle

    def make_again(self, job_id: str) -> str:
        """Make a new job as :meth:`retry` does, and do not follow it; return its id."""
        key = f"retry-{secrets.token_hex(8)}"  # so that a repeated call makes one job
        reply = self._ask("RetryJob", pb.RetryJobRequest(job_id=job_id, idempotency_key=key))
        new_id: str = reply.job_id
        return new_id

    def _cancel_handle(self, handle: JobHandle) -> bool:
        if self._tracker.withdraw(handle):
            return True
        try:
            self.cancel(handle.acknowledged(PATIENCE))
        except (FailedPrecondition, NotFound):
            return False
        self._tracker.end_cancelled(handle)
        return True

    # ---- many jobs, the cluster -------------------------------------------------------

    def jobs(
        self, status: str | Sequence[str] = (), *, newest_first: bool = False
    ) -> Iterator[JobView]:
        """All jobs, oldest first or newest first, page by page as they are asked for.

        ``status`` is a name or several.
        """
        statuses = _statuses(status)
        token = ""
        while True:
            page, token = self.page(statuses, PAGE, token, newest_first=newest_first)
            yield from page
            if not token:
                return

    def page(
        self,
        status: str | Sequence[str] = (),
        limit: int = PAGE,
        page_token: str = "",
        *,
        newest_first: bool = False,
    ) -> tuple[list[JobView], str]:
        """One page of jobs, and the token of the next one, "" on the last.

        A page of large jobs is shorter than ``limit``.
        """
        request = pb.GetAllJobsRequest(
            status=_statuses(status),
            limit=limit,
            page_token=page_token,
            newest_first=newest_first,
        )
        reply = self._ask("GetAllJobs", request)
        return [job_view(job) for job in reply.jobs], reply.next_page_token

    def stats(self, patience: float | None = None) -> Stats:
        """The cluster in numbers; waits at most ``patience`` seconds for a master."""
        return stats_view(self._ask("GetClusterState", pb.GetClusterStateRequest(), patience))

    def workers(self) -> list[WorkerView]:
        """The workers that the master knows."""
        return list(self.stats().workers)

    def watch(
        self, from_seq: int = 0, *, kinds: Iterable[str] = (), heartbeats: bool = False
    ) -> Iterator[Event]:
        """Yield events as they are committed, until the client is closed; of all clients' jobs.

        ``from_seq`` 0 is from now on, 1 from the first event; raises ``NucleusError``, with the
        number of the first event kept, when it is older than that. A lost connection
        is taken up again where it broke.
        """
        return self._watch(
            pb.WatchEventsRequest(from_seq=from_seq, kinds=list(kinds), heartbeats=heartbeats)
        )

    def _watch(self, request: pb.WatchEventsRequest) -> Iterator[Event]:
        while not self._closed:
            stream = self._loop.run(self._open_watch(request))
            try:
                while not self._closed and (batch := self._loop.run(_read(stream))):
                    yield from convert.events_from_message(batch.events)
                    request.from_seq = batch.next_seq
            finally:
                if not self._closed:
                    self._loop.call(stream.cancel)

    async def _open_watch(
        self, request: pb.WatchEventsRequest
    ) -> "grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, pb.EventBatch]":
        await self._connection.ask(
            lambda stub: stub.GetClusterState(pb.GetClusterStateRequest(), timeout=CALL_TIMEOUT),
            self._patience,
        )
        call: grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, pb.EventBatch]
        call = self._connection.stub.WatchEvents(request)
        return call

    def _ask(self, method: str, request: Any, patience: float | None = None) -> Any:
        self._check_open()
        patience = self._patience if patience is None else patience
        return self._loop.run(
            self._connection.ask(
                lambda stub: getattr(stub, method)(request, timeout=min(CALL_TIMEOUT, patience)),
                patience,
            )
        )

    # ---- the end ----------------------------------------------------------------------

    @property
    def ended(self) -> str:
        """Why nothing is submitted or followed any more, such as a refused token; else ""."""
        return self._tracker.ended

    def _check_open(self) -> None:
        if self._closed:
            raise FailedPrecondition("the client is closed; make another")

    def close(self, timeout: float = FLUSH_TIMEOUT, *, warn: bool = True) -> None:
        """Flush for at most ``timeout`` seconds, and let go. Idempotent.

        Warns of submits that were not acknowledged, and of refusals nobody has looked at;
        not so with ``warn=False``, for who has told of them in another way.
        """
        if self._closed:
            return
        left = self._tracker.flush(timeout)
        self._closed = True
        atexit.unregister(self._at_exit)
        self._loop.run(self._tracker.stop())
        self._tracker.close()
        self._loop.run(self._connection.close())
        del self._connection  # else gRPC keeps a thread for it
        loop.release()
        if not warn:
            return
        if left:
            _warn(f"{left} submits were not acknowledged when the client was closed")
        refusals = self._tracker.unread_refusals()
        if refusals:
            _warn(f"{len(refusals)} submits were refused; the first: {refusals[0]}")

    def __enter__(self) -> "Client":
        """Use in a ``with``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


async def _read(
    stream: "grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, pb.EventBatch]",
) -> pb.EventBatch | None:
    try:
        batch = await stream.read()
    except asyncio.CancelledError:
        return None  # the client is being closed
    except grpc.aio.AioRpcError as error:
        if error.code() in PASSING:
            return None
        raise rpc_error(error) from None
    return batch if isinstance(batch, pb.EventBatch) else None


def _check_options(
    job_type: str,
    priority: int,
    delay: float,
    max_attempts: int,
    timeout: float | None,
    key: str | None,
) -> JobSpec:
    key = "" if key is None else key
    spec = JobSpec(job_type, "", priority, delay, max_attempts, timeout, key)
    for name, value, kind in (
        ("job_type", spec.job_type, str),
        ("priority", spec.priority, int),
        ("max_attempts", spec.max_attempts, int),
        ("idempotency_key", spec.key, str),
    ):
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidArgument(invalid(name, value, f"of the type {kind.__name__}").message)
    for name, text in (("job_type", spec.job_type), ("idempotency_key", spec.key)):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidArgument(invalid(name, text, "Unicode text, no half pairs").message)
    for name, seconds in (("delay", spec.delay), ("timeout", spec.timeout or 0.0)):
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise InvalidArgument(invalid(name, seconds, "a number of seconds").message)
    refusal = check_spec(spec)
    if refusal is not None:
        raise InvalidArgument(refusal.message)
    return spec


def _statuses(names: str | Sequence[str]) -> list[str]:
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in Status.__members__:
            allowed = ", ".join(Status.__members__)
            raise InvalidArgument(invalid("status", name, f"one of {allowed}").message)
    return wanted


def _warn(message: str) -> None:
    warnings.warn(f"nucleus: {message}", stacklevel=3)
