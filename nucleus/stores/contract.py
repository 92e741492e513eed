"""What every store does: keep what the rules decided, and know no rules.

One contract test suite (``tests/test_stores_contract.py``) serves all of them.
"""

from typing import Protocol

from nucleus.core.events import Event
from nucleus.core.job import Job
from nucleus.core.lifecycle import Status
from nucleus.core.snapshot import Changes, Snapshot


class Store(Protocol):
    """A place where a ledger survives its master.

    ``find`` and ``find_key`` make it the ledger's :class:`~nucleus.core.snapshot.Archive`.
    Reads see committed changes only, may come from any thread, and raise ``CommitFailed``
    when the store cannot be read. One batch at a time is staged and then committed, by
    whichever thread. What is kept of the past is for the
    :class:`~nucleus.core.retention.Retention` to say that the store was opened with.
    """

    on_disk: bool  # whether calls may wait for a disk, and so belong on a thread

    def load(self) -> Snapshot:
        """Begin a new epoch and return the live jobs.

        The first call takes the store over from whoever had it. A later one raises
        ``Fenced`` when another master has taken it meanwhile. Raises ``CommitFailed``
        when the store cannot be read or written.
        """

    def stage(self, changes: Changes) -> None:
        """Get ``changes`` ready for :meth:`commit`, without waiting for a disk.

        Raises ``Fenced`` when another master took the store over, and ``CommitFailed``,
        which is definite here; either way nothing stays staged.
        """

    def commit(self) -> None:
        """Make what is staged durable, all or nothing.

        Raises ``CommitFailed``, which is not definite here: it may have happened. A store
        that raised it is loaded again before the next batch.
        """

    def check_epoch(self) -> None:
        """Raise ``Fenced`` when another master took the store over, ``CommitFailed`` when
        the store cannot be read.
        """

    def find(self, job_id: str) -> Job | None:
        """The job under this id."""

    def find_key(self, key: str) -> Job | None:
        """The job that was submitted under this user's idempotency key."""

    def page(
        self, after: int, limit: int, statuses: frozenset[Status], *, newest_first: bool = False
    ) -> tuple[list[Job], bool]:
        """At most ``limit`` jobs that follow the number ``after``, and whether there are more.

        They come oldest first, or newest first; ``after`` 0 begins at the beginning. No status
        is all. A page of long texts is shorter than its limit.
        """

    def history(self, from_seq: int, limit: int) -> list[Event]:
        """At most ``limit`` events from ``from_seq`` on, in order; none at the end.

        Fewer when their texts are long. Whether any are missing before the first is known by
        :meth:`first_seq` *after* this call.
        """

    def first_seq(self) -> int:
        """The oldest sequence number from which the history is complete."""

    def overdue(self, now: float) -> bool:
        """Whether the retention lets something go: then each commit, also one without changes,
        deletes a step of it.
        """

    def close(self) -> None:
        """Let go of the store; what was committed stays."""
