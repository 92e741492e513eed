"""A worker's calls to the master, each with a deadline."""

import asyncio
from collections.abc import AsyncIterator

import grpc.aio

from nucleus.core.refusals import Refusal
from nucleus.core.worker import Assignment, Beat, BeatAnswer, Hello, Reports
from nucleus.rpc import convert
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.access import Access
from nucleus.rpc.channel import open_channel
from nucleus.rpc.conversation import Conversation
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub

RESULTS_TIMEOUT = 10.0  # seconds: a commit on a slow disk is worth waiting for
OPEN_TIMEOUT = 10.0  # seconds until the first batch of a session


class MasterLink:
    """One connection to a master; it reconnects by itself."""

    def __init__(self, address: str, access: Access, heartbeat_timeout: float) -> None:
        self._channel = open_channel(address, access)
        self._stub = JobQueueServiceStub(self._channel)
        self._reporting = Conversation(self._stub.SendResultsStream)
        self._beating = Conversation(self._stub.HeartbeatStream)
        self._heartbeat_timeout = heartbeat_timeout
        self._stream: grpc.aio.UnaryStreamCall[pb.GetJobsRequest, pb.JobBatch] | None = None

    async def open(self, hello: Hello) -> AsyncIterator[tuple[list[Assignment], list[int]]]:
        """Open a session; yield leases received, and leases heard to be void.

        Raises ``AioRpcError`` when the stream breaks, ``TimeoutError`` when nothing answers.
        """
        self._stream = self._stub.GetJobs(convert.hello_to_message(hello))
        try:
            # Not `wait_for`: it loses the end of a task that coincides with the answer.
            async with asyncio.timeout(OPEN_TIMEOUT):
                batch = await self._stream.read()
            while isinstance(batch, pb.JobBatch):
                yield convert.assignments_from_message(batch), list(batch.voided)
                batch = await self._stream.read()
        except asyncio.CancelledError:
            # A stream that `break_stream` ended says so in the same way as a task that ends.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        finally:
            self._stream.cancel()

    def break_stream(self) -> None:
        """End the session's stream, so that a new one is opened."""
        if self._stream is not None:
            self._stream.cancel()

    async def send(self, reports: Reports) -> tuple[list[Refusal | None], list[int]]:
        """Send reports. Return a refusal or ``None`` for each, and the leases that are void."""
        message = convert.reports_to_message(reports)
        reply = await self._reporting.ask(message, RESULTS_TIMEOUT)
        return convert.refusals_from_message(reply, len(reports.items)), list(reply.voided)

    async def beat(self, beat: Beat) -> BeatAnswer:
        """Send a heartbeat. Nobody repeats it: the next one is the repeat."""
        message = convert.beat_to_message(beat)
        reply = await self._beating.ask(message, self._heartbeat_timeout)
        return BeatAnswer(reply.open_again, tuple(reply.voided))

    async def leave(self, beat: Beat) -> None:
        """Send the last heartbeat, on a call of its own: the one before may have no answer yet."""
        await self._stub.Heartbeat(convert.beat_to_message(beat), timeout=self._heartbeat_timeout)

    async def close(self) -> None:
        """Drop the connection."""
        self._reporting.end()
        self._beating.end()
        await self._channel.close()
