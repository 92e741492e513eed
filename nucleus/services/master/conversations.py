"""The open streams of questions: each is answered before the next is read."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

Context = grpc.aio.ServicerContext[Any, Any]


class Conversations:
    """All of them, so that they can be ended when the master stops."""

    def __init__(self) -> None:
        self._listening: set[asyncio.Task[Any]] = set()  # to nobody, at the moment
        self._over = False

    async def serve(
        self, answer: Callable[[Any, Context], Awaitable[object]], context: Context
    ) -> None:
        """Answer what is asked, until the caller hangs up or the master stops."""
        while (question := await self._next(context)) is not grpc.aio.EOF:
            await context.write(await answer(question, context))

    async def _next(self, context: Context) -> Any:
        task = asyncio.current_task()
        assert task is not None
        if self._over:
            return grpc.aio.EOF
        self._listening.add(task)
        try:
            return await context.read()
        except asyncio.CancelledError:
            if not self._over:  # the caller has gone
                raise
            task.uncancel()
            return grpc.aio.EOF
        finally:
            self._listening.discard(task)

    def hang_up(self) -> None:
        """End those in which nothing is being answered now, and the others after that."""
        self._over = True
        for task in self._listening:
            task.cancel()
