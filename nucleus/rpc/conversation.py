"""Questions and answers in turn, on one call that stays open.

To make a call costs both sides several times what a message on an open one does (gRPC's
Python side passes each of its steps from thread to thread). So whoever asks the same thing
again and again keeps one call open for it. A conversation that broke is begun anew by the
next question.
"""

import asyncio
from typing import Generic, TypeVar, cast

import grpc
import grpc.aio

from nucleus.rpc.status import failed

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Conversation(Generic[Question, Answer]):
    """One at a time, each question is answered before the next is asked."""

    def __init__(self, method: "grpc.aio.StreamStreamMultiCallable[Question, Answer]") -> None:
        self._method = method
        self._call: grpc.aio.StreamStreamCall[Question, Answer] | None = None
        self._asking = False

    async def ask(self, question: Question, timeout: float) -> Answer:
        """The answer; raises ``AioRpcError``, as a call for this question alone would.

        After ``timeout`` seconds that is ``DEADLINE_EXCEEDED``. A question before the answer to the
        last one is a bug of the caller's, and a ``RuntimeError``.
        """
        if self._asking:  # each of the two might be given the other's answer
            raise RuntimeError("the last question has no answer yet")
        self._asking = True
        try:
            return await self._ask(question, timeout)
        finally:
            self._asking = False

    async def _ask(self, question: Question, timeout: float) -> Answer:
        if self._call is None or self._call.done():  # none yet, or it ended between two questions
            self._call = self._method()
        try:
            async with asyncio.timeout(timeout):
                await self._call.write(question)
                answer = await self._call.read()
        except TimeoutError:
            self.end()
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            raise failed(code, f"no answer within {timeout:g} s") from None
        except BaseException:
            self.end()
            raise
        if answer is grpc.aio.EOF:
            raise failed(grpc.StatusCode.UNAVAILABLE, "the other side hung up")
        return cast("Answer", answer)  # the stubs give the end no type of its own

    def end(self) -> None:
        """Hang up; what was not answered may have happened."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
