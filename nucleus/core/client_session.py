"""The client's rules: what it sends again, and which handle a result belongs to.

A pure state machine beside the ledger. Submits are numbered (``client_seq``), which makes
them recognisable: until one is acknowledged it is sent again, and the master makes one job
of it however often it arrives. While one call is in flight the next batch gathers, so a
plain loop of ``submit`` travels in batches; at most :data:`MAX_PENDING` submits wait.

- ``submit`` → a number; ``next_batch`` → what to send; ``answered`` / ``broken`` → how it went;
- ``forget`` for whoever wants to know no more than that a submit is durable;
- ``seen`` for the ends that events tell of; ``lookup`` → which jobs to ask for after a gap, and
  ``found`` / ``missing`` for what is answered;
- what became of a submit comes out as :class:`Acknowledged`, :class:`Refused` or :class:`Ended`.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import TypeAlias

from nucleus.core.job import JobSpec, Order
from nucleus.core.keys import WINDOW, Accepted
from nucleus.core.news import Acknowledged, Ended, Forgotten, Lost, News, Refused
from nucleus.core.orders import Submit, orders
from nucleus.core.refusals import Refusal

MAX_BATCH = 2000  # jobs in one call; at most half of what may wait, so that the rest gathers
MAX_BATCH_CHARACTERS = 2_000_000  # of payload in one call; the message limit is 16 MiB
MAX_PENDING = WINDOW  # unacknowledged submits: what the master remembers of a client

Asked: TypeAlias = dict[str, list[int]]  # job ids to look up -> the submits that they are of


class ClientSession:
    """One client's view of its submits."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.ledger_id = ""  # of the master last heard, "" before the first
        self.next_seq = 0  # where to go on watching, 0 before the first batch
        self._last = 0
        self._pending: deque[Submit] = deque()  # not sent, or to be sent again
        self._in_flight: list[Submit] = []
        self._sent: set[int] = set()  # of the pending: may have arrived already
        self._open: dict[int, str] = {}  # client_seq -> job id ("" until known), not ended
        self._shared: set[int] = set()  # of the open: perhaps another submit's job

    # ---- submitting -------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether a submit has to wait until others are acknowledged.

        Numbers are counted, not submits: those taken back leave gaps in the master's window.
        """
        waiting = self._in_flight or self._pending
        return bool(waiting) and self._last - waiting[0][0] + 1 >= MAX_PENDING

    def submit(self, like: JobSpec, payload: str) -> int:
        """Take in a submit (JSON text, and options of which the payload does not count).

        Return its number. Submits in a row with the very same options travel as one order.
        """
        self._last += 1
        self._pending.append((self._last, like, payload))
        self._open[self._last] = ""
        return self._last

    def adopt(self, job_id: str) -> int:
        """Follow a job that was made in another way than by ``submit``; return its number."""
        self._last += 1
        self._open[self._last] = job_id
        self._shared.add(self._last)
        return self._last

    def next_batch(self) -> list[Order]:
        """What to send now, in order; empty while a call is in flight."""
        if self._in_flight:
            return []
        characters = 0
        for submit in islice(self._pending, MAX_BATCH):
            characters += len(submit[2])
            if self._in_flight and characters > MAX_BATCH_CHARACTERS:
                break
            self._in_flight.append(submit)
        for _ in self._in_flight:
            self._pending.popleft()
        return list(orders(self._in_flight))

    def answered(self, outcomes: Iterable[Accepted | Refusal]) -> list[News]:
        """The call in flight was answered, one outcome for each of its submits."""
        news: list[News] = []
        for (seq, _, _), outcome in zip(self._in_flight, outcomes, strict=True):
            self._sent.discard(seq)
            if isinstance(outcome, Refusal):
                self._close(seq)
                news.append(Refused(seq, outcome))
            else:
                if seq in self._open:  # else its end was seen before this answer
                    self._open[seq] = outcome.job_id
                    if outcome.duplicate:
                        self._shared.add(seq)
                news.append(Acknowledged(seq, outcome.job_id))
        self._in_flight = []
        return news

    def broken(self) -> None:
        """The call in flight broke. It may have happened, so it is sent again, first."""
        self._sent.update(seq for seq, _, _ in self._in_flight)
        self._pending.extendleft(reversed(self._in_flight))
        self._in_flight = []

    def withdraw(self, client_seq: int) -> bool:
        """Take a submit back. Return whether it certainly did not happen."""
        for submit in self._pending:
            if submit[0] == client_seq and client_seq not in self._sent:
                self._pending.remove(submit)
                self._close(client_seq)
                return True
        return False

    def forget(self, client_seq: int) -> None:
        """Keep nothing of a submit any longer than it takes to have it acknowledged."""
        self._close(client_seq)

    # ---- hearing of results -----------------------------------------------------------

    def heard(self, ledger_id: str) -> list[News]:
        """An answer came from this ledger. Return what went down with another.

        What was not acknowledged is not among them: it is sent to the new ledger.
        """
        if self.ledger_id in ("", ledger_id):
            self.ledger_id = ledger_id
            return []
        self.ledger_id = ledger_id
        self.lost_place()
        lost = [seq for seq, job_id in self._open.items() if job_id]
        for seq in lost:
            self._close(seq)
        return [Lost(seq, ledger_id) for seq in lost]

    def lost_place(self) -> None:
        """Watching begins anew, from now on; look up what was acknowledged.

        What was not may end before that and be acknowledged after it, so it is followed.
        """
        self.next_seq = 0
        self._shared.update(seq for seq, job_id in self._open.items() if not job_id)

    def seen(self, ends: Iterable[Ended], next_seq: int) -> list[News]:
        """Events told of the ends of this client's jobs. Return what is news."""
        self.next_seq = max(self.next_seq, next_seq)
        return [ended for ended in ends if self._close(ended.client_seq)]

    def _close(self, seq: int) -> bool:
        self._shared.discard(seq)
        return self._open.pop(seq, None) is not None

    def lookup(self) -> Asked:
        """The acknowledged jobs to ask for when events may have been missed."""
        return self._acknowledged(self._open)

    def shared(self) -> Asked:
        """The jobs to ask for now and then.

        A key made them the job of another submit, perhaps of another client, while events
        name only the first one's.
        """
        return self._acknowledged(self._shared)

    def _acknowledged(self, seqs: Iterable[int]) -> Asked:
        asked: Asked = {}
        for seq in seqs:
            if job_id := self._open[seq]:
                asked.setdefault(job_id, []).append(seq)
        return asked

    @property
    def following(self) -> bool:
        """Whether there are such jobs, or will be when their submits are acknowledged."""
        return bool(self._shared)

    def found(self, asked: Asked, ends: Iterable[Ended]) -> list[News]:
        """Of the jobs that were asked for, these have ended. Return what is news."""
        return [
            Ended(seq, end.job_id, end.status, end.result, end.error)
            for end in ends
            for seq in asked.get(end.job_id, ())
            if self._close(seq)
        ]

    def missing(self, asked: Asked, job_ids: Iterable[str]) -> list[News]:
        """These are unknown. They were acknowledged, so they ended, and were trimmed since."""
        return [
            Forgotten(seq, job_id)
            for job_id in job_ids
            for seq in asked.get(job_id, ())
            if self._close(seq)
        ]

    @property
    def unacknowledged(self) -> int:
        """Submits that no answer was received for."""
        return len(self._pending) + len(self._in_flight)
