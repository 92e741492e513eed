"""``JobQueueService``: each method turns a message into a command and an answer into one.

The order of business is always the same: convert, let the engine run the command, refuse
or answer. What is allowed is decided in the core.
"""

from collections.abc import AsyncIterator, Callable
from typing import NoReturn, TypeVar

import grpc

from nucleus.core.errors import CommitFailed
from nucleus.core.events import KINDS, Event
from nucleus.core.job import Job, job_number, make_job_id
from nucleus.core.keys import Accepted
from nucleus.core.ledger import Ledger
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason, Refusal, invalid
from nucleus.core.worker import Reports
from nucleus.rpc import convert
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.chunks import MAX_SIZE, chunks
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceServicer
from nucleus.rpc.status import CODES, REASON_KEY
from nucleus.services.master.catalog import RegistryCatalog
from nucleus.services.master.conversations import Context, Conversations
from nucleus.services.master.engine import Engine, NotServing
from nucleus.services.master.state import cluster_state
from nucleus.services.master.streams import WorkerStream
from nucleus.services.master.watchers import Watcher, text_size
from nucleus.stores import Store

T = TypeVar("T")

DEFAULT_PAGE = 1_000  # jobs
MAX_PAGE = 5_000
MAX_ITEMS = 5_000  # of any kind in one call: submits, results, ids, leases


class JobQueueService(JobQueueServiceServicer):
    """The gRPC face of a master."""

    def __init__(self, engine: Engine, catalog: RegistryCatalog) -> None:
        self._engine = engine
        self._catalog = catalog
        self._conversations = Conversations()

    def hang_up(self) -> None:
        """The master stops: end the conversations in which nobody waits for an answer."""
        self._conversations.hang_up()

    async def _run(self, context: Context, command: Callable[[Ledger, float], T]) -> T:
        try:
            return await self._engine.run(command)
        except CommitFailed as failure:
            code = grpc.StatusCode.ABORTED if failure.definite else grpc.StatusCode.UNAVAILABLE
            await context.abort(code, str(failure))
        except NotServing as reason:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(reason))

    async def _read(self, context: Context, read: Callable[[Store], T]) -> T:
        try:
            return await self._engine.read(read)
        except (CommitFailed, NotServing) as reason:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(reason))

    @property
    def _ledger_id(self) -> str:
        return self._engine.outbox.ledger.ledger_id

    # ---- submitting -------------------------------------------------------------------

    async def SendJob(self, request: pb.JobSpec, context: Context) -> pb.SendJobReply:
        """Submit one job."""
        spec = convert.spec_from_message(request)
        outcome = await self._run(context, lambda ledger, now: ledger.submit(spec, "", now))
        return await self._accepted(outcome, context)

    async def _accepted(self, outcome: Accepted | Refusal, context: Context) -> pb.SendJobReply:
        if isinstance(outcome, Refusal):
            await _refuse(outcome, context)
        return pb.SendJobReply(
            job_id=outcome.job_id, duplicate=outcome.duplicate, ledger_id=self._ledger_id
        )

    async def SendJobs(self, request: pb.SendJobsRequest, context: Context) -> pb.SendJobsReply:
        """Submit many jobs."""
        await _limit("orders", len(request.orders), context)
        await _limit("jobs", sum(len(order.payloads) for order in request.orders), context)
        orders = [convert.order_from_message(order) for order in request.orders]
        client = request.client_id
        outcomes = await self._run(
            context,
            lambda ledger, now: [
                outcome for order in orders for outcome in ledger.submit_order(order, client, now)
            ],
        )
        return convert.outcomes_to_message(outcomes, self._ledger_id)

    async def SendJobsStream(self, requests: object, context: Context) -> None:
        """Submit many jobs, again and again."""
        await self._conversations.serve(self.SendJobs, context)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobReply:
        """Cancel a job that has not ended."""
        job_id = request.job_id
        refusal = await self._run(context, lambda ledger, now: ledger.cancel(job_id, now))
        if refusal is not None:
            await _refuse(refusal, context)
        return pb.CancelJobReply(ledger_id=self._ledger_id)

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.SendJobReply:
        """Make a new job like an ended one."""
        job_id, key = request.job_id, request.idempotency_key
        outcome = await self._run(context, lambda ledger, now: ledger.retry(job_id, key, now))
        return await self._accepted(outcome, context)

    # ---- working ----------------------------------------------------------------------

    async def GetJobs(
        self, request: pb.GetJobsRequest, context: Context
    ) -> AsyncIterator[pb.JobBatch]:
        """Open a worker's session, and send it jobs until the stream ends."""
        await _limit("job_types", len(request.job_types), context)
        await _limit("leases", len(request.leases), context)
        hello = convert.hello_from_message(request)
        stream = WorkerStream(hello.worker, hello.incarnation, hello.session)
        opened = False

        def open_session(ledger: Ledger, now: float) -> tuple[int, ...] | Refusal:
            nonlocal opened
            answer = ledger.open_session(hello, now)
            if not isinstance(answer, Refusal):
                # Before anything is leased in this session, so that nothing is missed.
                self._engine.streams.attach(stream)
                opened = True
            return answer

        try:
            voided = await self._run(context, open_session)
            if isinstance(voided, Refusal):
                await _refuse(voided, context)
            ledger_id = self._ledger_id
            yield pb.JobBatch(session=hello.session, ledger_id=ledger_id, voided=voided)
            async for batch in stream.batches():
                yield batch
        finally:
            if opened:  # a refused repeat must not close the session that it repeats
                self._engine.streams.detach(stream)
                ledger = self._engine.outbox.ledger
                ledger.close_session(hello.worker, hello.incarnation, hello.session)

    async def SendResult(
        self, request: pb.SendResultRequest, context: Context
    ) -> pb.SendResultReply:
        """Take one result."""
        items = (convert.report_from_message(request.result),)
        reports = Reports(request.worker, request.incarnation, items)
        outcomes, _ = await self._run(context, lambda ledger, now: ledger.report(reports, now))
        if outcomes[0] is not None:
            await _refuse(outcomes[0], context)
        return pb.SendResultReply(ledger_id=self._ledger_id)

    async def SendResults(
        self, request: pb.SendResultsRequest, context: Context
    ) -> pb.SendResultsReply:
        """Take many results."""
        await _limit("results", len(request.results.job_ids), context)
        await _limit("stopped", len(request.stopped), context)
        try:
            reports = convert.reports_from_message(request)
        except ValueError as error:
            message = f"results: the columns differ in length ({error}); each result fills all six"
            await _refuse(Refusal(Reason.INVALID, message), context)
        refusals, voided = await self._run(context, lambda ledger, now: ledger.report(reports, now))
        return convert.refusals_to_message(refusals, voided, self._ledger_id)

    async def SendResultsStream(self, requests: object, context: Context) -> None:
        """Take many results, again and again."""
        await self._conversations.serve(self.SendResults, context)

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.HeartbeatReply:
        """Hear that a worker lives."""
        await _limit("running", len(request.running), context)
        await _limit("stopped", len(request.stopped), context)
        beat = convert.beat_from_message(request)
        answer = await self._run(context, lambda ledger, now: ledger.heartbeat(beat, now))
        if isinstance(answer, Refusal):
            await _refuse(answer, context)
        return pb.HeartbeatReply(
            open_again=answer.open_again,
            voided=answer.voided,
            ledger_id=self._ledger_id,
            epoch=self._engine.outbox.ledger.epoch,
        )

    async def HeartbeatStream(self, requests: object, context: Context) -> None:
        """Hear that a worker lives, again and again."""
        await self._conversations.serve(self.Heartbeat, context)

    # ---- reading ----------------------------------------------------------------------

    async def GetAllJobs(
        self, request: pb.GetAllJobsRequest, context: Context
    ) -> pb.GetAllJobsReply:
        """One page of the ledger."""
        statuses = await self._statuses(request, context)
        after = await self._after(request.page_token, context)
        if request.limit > MAX_PAGE:
            await _refuse(invalid("limit", request.limit, f"0 to {MAX_PAGE}"), context)
        limit = request.limit or DEFAULT_PAGE
        newest_first = request.newest_first
        jobs, more = await self._read(
            context, lambda store: store.page(after, limit, statuses, newest_first=newest_first)
        )
        page = _that_fits([convert.job_to_message(job) for job in jobs])
        more = more or len(page) < len(jobs)
        return pb.GetAllJobsReply(
            jobs=page,
            next_page_token=page[-1].job_id if more else "",
            ledger_id=self._ledger_id,
        )

    async def _statuses(self, request: pb.GetAllJobsRequest, context: Context) -> frozenset[Status]:
        try:
            return convert.statuses_from_message(request.status)
        except ValueError:
            names = ", ".join(status.name for status in Status)
            await _refuse(invalid("status", list(request.status), names), context)

    async def _after(self, token: str, context: Context) -> int:
        number = job_number(token)
        if token and (number == 0 or token != make_job_id(self._ledger_id, number)):
            allowed = "the next_page_token of the page before, or none"
            await _refuse(invalid("page_token", token, allowed), context)
        return number

    async def LookupJobs(
        self, request: pb.LookupJobsRequest, context: Context
    ) -> pb.LookupJobsReply:
        """Jobs by id; what does not fit into one message is left out, to be asked for again."""
        await _limit("job_ids", len(request.job_ids), context)
        ids = list(request.job_ids)
        found = await self._read(context, lambda store: _find(store, ids))
        jobs = _that_fits([convert.job_to_message(job) for job in found.values() if job])
        unknown = [job_id for job_id, job in found.items() if job is None]
        return pb.LookupJobsReply(jobs=jobs, unknown=unknown, ledger_id=self._ledger_id)

    async def GetClusterState(
        self, request: pb.GetClusterStateRequest, context: Context
    ) -> pb.ClusterState:
        """Workers, queue, totals."""
        return await self._run(
            context, lambda ledger, now: cluster_state(ledger, self._catalog.allowed, now)
        )

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.EventBatch]:
        """Events from a number on, as they are committed."""
        await self._read(context, lambda store: None)  # refuses while nothing happens here
        watcher = await self._watcher(request, context)
        if crowd := self._engine.watchers.crowd(watcher.peer):
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"watch: {crowd}")
        self._engine.watchers.add(watcher, self._engine.now_on())
        try:
            reached = watcher.position  # everything below has been sent, or did not match
            yield self._event_batch([], reached)
            async for events in watcher.batches(self._read_history):
                for batch in chunks(events, text_size):
                    # Heartbeats have no place in the order: they lead no further.
                    reached = max(reached, max(event.seq for event in batch) + 1)
                    yield self._event_batch(batch, reached)
        except HistoryGone as gone:
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, str(gone))
        except (CommitFailed, NotServing) as reason:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(reason))
        finally:
            self._engine.watchers.remove(watcher)

    async def _watcher(self, request: pb.WatchEventsRequest, context: Context) -> Watcher:
        for kind in request.kinds:
            if kind not in KINDS:
                await _refuse(invalid("kinds", kind, ", ".join(KINDS)), context)
        now_on = self._engine.now_on()
        if request.from_seq > now_on:
            allowed = f"0 for from now on, or 1 to {now_on}"
            await _refuse(invalid("from_seq", request.from_seq, allowed), context)
        return Watcher(
            request.from_seq or now_on,
            client=request.client_id,
            kinds=frozenset(request.kinds),
            heartbeats=request.heartbeats,
            peer=context.peer(),
        )

    async def _read_history(self, from_seq: int, limit: int) -> list[Event]:
        # In this order: what is trimmed between the two calls is noticed.
        events, first = await self._engine.read(
            lambda store: (store.history(from_seq, limit), store.first_seq())
        )
        if from_seq < first:
            raise HistoryGone(f"from_seq: {from_seq} is too old; the history begins at {first}")
        return events

    def _event_batch(self, events: list[Event], next_seq: int) -> pb.EventBatch:
        ledger = self._engine.outbox.ledger
        return pb.EventBatch(
            events=convert.events_to_message(events),
            next_seq=next_seq,
            ledger_id=ledger.ledger_id,
            epoch=ledger.epoch,
        )


class HistoryGone(Exception):
    """The history no longer reaches back as far as a watcher asks."""


async def _refuse(refusal: Refusal, context: Context) -> NoReturn:
    reason = ((REASON_KEY, refusal.reason.name),)
    await context.abort(CODES[refusal.reason], refusal.message, reason)
    raise AssertionError("abort does not return")


async def _limit(field: str, count: int, context: Context) -> None:
    if count > MAX_ITEMS:
        message = f"{field}: {count} in one call are not allowed; at most {MAX_ITEMS}"
        await _refuse(Refusal(Reason.INVALID, message), context)


def _find(store: Store, job_ids: list[str]) -> dict[str, Job | None]:
    """Jobs by id, from the first one on, until they are more than a message has room for."""
    found: dict[str, Job | None] = {}
    room = MAX_SIZE
    for job_id in job_ids:
        if room < 0:
            break
        job = found[job_id] = store.find(job_id)
        if job is not None:
            room -= len(job.payload) + len(job.result) + len(job.error) + len(job.output)
    return found


def _that_fits(jobs: list[pb.Job]) -> list[pb.Job]:
    return next(chunks(jobs, _size, MAX_PAGE), [])


def _size(item: pb.Job) -> int:
    return item.ByteSize()
