"""The commit outbox: nothing leaves the master before it is committed.

Commands run against the ledger at once; their answers wait here. Everything that happens
while one commit is under way forms the next batch (group commit, without an idle timer):

1. the shell runs a command, and holds back its effect (an answer, whatever it is);
2. :meth:`Outbox.begin` leases what can be leased, and gives the shell a batch to commit;
3. after the commit, :meth:`Outbox.committed` releases the effects of that batch; if the
   commit fails, :meth:`Outbox.abandon` says which calls may have happened and which not.

An effect is opaque here: a future to resolve in the master, a message in the simulator.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from nucleus.core.ledger import Ledger
from nucleus.core.snapshot import Changes

Effect = TypeVar("Effect")


@dataclass(frozen=True, slots=True)
class Abandoned(Generic[Effect]):
    """An effect whose command was not committed, as far as is known."""

    effect: Effect
    definite: bool  # it certainly did not happen


class Outbox(Generic[Effect]):
    """Joins a ledger with the commits that make it durable; one commit at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._open: list[Effect] = []  # effects of commands that no batch holds yet
        self._in_flight: list[Effect] = []
        self._batch: Changes | None = None

    @property
    def committing(self) -> bool:
        """Whether a batch is under way."""
        return self._batch is not None

    def hold(self, effect: Effect) -> None:
        """Hold back what the command just run wants to send."""
        self._open.append(effect)

    def begin(self, now: float) -> Changes | None:
        """The next batch, leases included; ``None`` while one is under way.

        An empty batch (``Changes.empty``) needs no commit: report it committed at once.
        """
        if self._batch is not None:
            return None
        self.ledger.dispatch(now)
        self._batch = self.ledger.drain()
        self._in_flight, self._open = self._open, []
        return self._batch

    def committed(self) -> list[Effect]:
        """The batch is durable. Return the effects that may leave now, in order."""
        if self._batch is None:
            raise RuntimeError("no batch is under way")
        self.ledger.forget_ended(self._batch)
        self._batch = None
        released, self._in_flight = self._in_flight, []
        return released

    def abandon(self, *, commit_issued: bool) -> list[Abandoned[Effect]]:
        """The commit failed, and this ledger with it. Return what became of each call.

        A call that came after the batch may have been answered from it (a repeat of a
        submit is), so it is no more certain than the batch.
        """
        held = self._in_flight + self._open
        lost = [Abandoned(effect, not commit_issued) for effect in held]
        self._in_flight, self._open, self._batch = [], [], None
        return lost
