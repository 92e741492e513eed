"""A known-wrong master, to be run as a module: it answers before what it says is durable.

The real engine answers when the commit is done. This one answers at once and commits a
little later; what was acknowledged in between is lost with the process.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nucleus.core.ledger import Ledger
from nucleus.core.snapshot import Changes
from nucleus.services.master import service
from nucleus.services.master.command import master
from nucleus.services.master.engine import Engine

T = TypeVar("T")

LATER = 0.3  # seconds


class HastyEngine(Engine):
    """Answers first."""

    async def run(self, command: Callable[[Ledger, float], T]) -> T:
        self.check_serving()
        answer = self._carry_out(command)
        self._wake.set()
        return answer

    async def _commit(self, batch: Changes) -> None:
        await asyncio.sleep(LATER)
        await super()._commit(batch)


if __name__ == "__main__":
    vars(service)["Engine"] = HastyEngine
    master()
