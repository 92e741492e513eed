"""Calls to the master that are safe to repeat, repeated until they are answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc.aio

from nucleus.core.errors import Unavailable
from nucleus.rpc.access import OPEN, Access
from nucleus.rpc.backoff import Backoff
from nucleus.rpc.channel import open_channel
from nucleus.rpc.conversation import Conversation
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.rpc.status import PASSING, handshake_failure, rpc_error

logger = logging.getLogger("nucleus.client")

T = TypeVar("T")

CALL_TIMEOUT = 5.0  # seconds for one try
PATIENCE = 10.0  # seconds for all tries of a call that somebody waits for


class Connection:
    """A channel to one master; it connects, and reconnects, by itself."""

    def __init__(self, address: str, access: Access = OPEN) -> None:
        self.address = address
        self._channel = open_channel(address, access)
        self.stub = JobQueueServiceStub(self._channel)
        self.submitting = Conversation(self.stub.SendJobsStream)
        self._outage = self.backoff()  # one for all calls of ask: an outage is logged once

    def backoff(self) -> Backoff:
        """How to wait for this master."""
        return Backoff(logger, f"no master at {self.address}")

    async def ask(
        self, call: Callable[[JobQueueServiceStub], Awaitable[T]], patience: float = PATIENCE
    ) -> T:
        """Make a call that may be repeated, until it is answered or ``patience`` seconds passed.

        Raises ``Unavailable`` when there was no answer, and what the master answered otherwise.
        """
        why = ""
        try:
            async with asyncio.timeout(patience):
                while True:
                    try:
                        answer = await call(self.stub)
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in PASSING:
                            raise rpc_error(error) from None
                        why = handshake_failure(error)
                        await asyncio.sleep(self._outage.failed(error.details()))
                    else:
                        self._outage.succeeded()
                        return answer
        except TimeoutError:
            message = f"no answer from the master at {self.address} within {patience:.0f} s{why}"
            raise Unavailable(message) from None

    async def close(self) -> None:
        """Drop the connection."""
        self.submitting.end()
        await self._channel.close()
