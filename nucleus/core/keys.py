"""Idempotency keys: which job a repeated submit means (promise 8).

A user's key holds for as long as its job is known, finished or not. A client's own key is
its number for the job, 1, 2, 3 …; the last :data:`WINDOW` numbers of each client are
remembered, and a client that was idle for :data:`IDLE` seconds is forgotten.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from nucleus.core.facts import fact
from nucleus.core.job import Job, JobSpec, Order, make_job_id
from nucleus.core.journal import Journal
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.snapshot import Archive, KeyRun

WINDOW = 4096  # keys for each client; the shipped client keeps fewer submits unacknowledged
IDLE = 3600.0  # seconds


_first_seq = attrgetter("first_seq")


@dataclass(slots=True)
class _Window:
    """The numbers of one client: a few runs of them, since its jobs come in batches."""

    last_used: float
    highest: int = 0
    runs: list[KeyRun] = field(default_factory=list)  # by first_seq; they never overlap
    forgotten: int = 0  # it was forgotten up to here, and the store told to do so

    def add(self, run: KeyRun) -> None:
        """Remember what the numbers of ``run`` became."""
        self.highest = max(self.highest, run.last_seq)
        if self.runs and self.runs[-1].leads_to(run):
            run = self.runs.pop().joined(run)
        insort(self.runs, run, key=_first_seq)

    def job_number(self, seq: int) -> int:
        """What ``seq`` became; 0 when it is not remembered."""
        place = bisect_right(self.runs, seq, key=_first_seq) - 1
        if place < 0 or seq > self.runs[place].last_seq:
            return 0
        return self.runs[place].number_of(seq)

    def forget(self, up_to: int) -> None:
        """Drop what ended at ``up_to`` or before."""
        self.forgotten = up_to
        self.runs = [run for run in self.runs if run.last_seq > up_to]


@fact
class Accepted:
    """A submit was taken in, now or, under the same key, before."""

    job_id: str
    duplicate: bool


class Keys:
    """All keys of all users and clients."""

    def __init__(
        self, ledger_id: str, live: dict[str, Job], archive: Archive, journal: Journal
    ) -> None:
        self._ledger_id = ledger_id
        self._live = live  # the ledger's jobs by id
        self._archive = archive
        self._journal = journal
        self._users: dict[str, str] = {}  # user's key -> id of a live job
        self._windows: dict[str, _Window] = {}

    def load(self, runs: Iterable[KeyRun], now: float) -> None:
        """Take over what a store remembers; nobody was idle while there was no master."""
        for run in runs:
            self._windows.setdefault(run.client, _Window(now)).add(run)

    def new_for(self, order: Order, client: str) -> bool:
        """Whether nothing of ``order`` can have been asked for before."""
        if order.like.key:
            return False
        window = self._windows.get(client) if order.first_seq else None
        return window is None or order.first_seq > window.highest

    def recognise(
        self, like: JobSpec, payload: str, client_seq: int, client: str, now: float
    ) -> Accepted | Refusal | None:
        """The job that this one repeats, a refusal when it cannot, ``None`` for a new one."""
        by_number = None
        if client_seq:
            by_number = self._recognise_number(like, payload, client_seq, client, now)
        if isinstance(by_number, Accepted) or not like.key:
            return by_number
        job = self._of_user(like.key)
        if job is None:
            return by_number
        answer = _repeat(job, like, payload, f"idempotency_key: {like.key!r}")
        if client_seq and by_number is None and isinstance(answer, Accepted):
            # Or a late repeat would make another job, once this one is trimmed.
            self._note(KeyRun(client, client_seq, job.number, 1), now)
        return answer

    def _recognise_number(
        self, like: JobSpec, payload: str, seq: int, client: str, now: float
    ) -> Accepted | Refusal | None:
        window = self._windows.get(client)
        if window is None:
            return None
        window.last_used = now
        if seq > window.highest:
            return None
        if seq <= window.highest - WINDOW:
            message = f"client_seq: {seq} is too old to tell whether it was seen"
            return Refusal(Reason.KEY_EXPIRED, message)
        number = window.job_number(seq)
        if not number:
            return None
        job_id = make_job_id(self._ledger_id, number)
        job = self._live.get(job_id) or self._archive.find(job_id)
        if job is None:  # trimmed meanwhile, but the number is still its
            return Accepted(job_id, duplicate=True)
        return _repeat(job, like, payload, f"client_seq: {seq}")

    def _of_user(self, key: str) -> Job | None:
        job_id = self._users.get(key)
        return self._live[job_id] if job_id is not None else self._archive.find_key(key)

    def hold(self, jobs: Iterable[Job]) -> None:
        """Remember the users' keys of live jobs."""
        self._users.update((job.key, job.id) for job in jobs if job.key)

    def let_go(self, job: Job) -> None:
        """The job left memory: the archive knows its user's key now."""
        self._users.pop(job.key, None)

    def remember(self, jobs: Sequence[Job], now: float) -> None:
        """Remember which numbers of their client became ``jobs``, in ascending order."""
        # What counts up on both sides at once is a run.
        for _, alike in groupby(jobs, lambda job: job.client_seq - job.number):
            first, *others = alike
            self._note(KeyRun(first.client, first.client_seq, first.number, 1 + len(others)), now)

    def _note(self, run: KeyRun, now: float) -> None:
        window = self._windows.setdefault(run.client, _Window(now))
        window.last_used = now
        window.add(run)
        self._journal.note_keys(run)
        outdated = window.highest - WINDOW
        if outdated >= window.forgotten + WINDOW:  # now and then, not each time
            window.forget(outdated)
            self._journal.forget_keys(run.client, outdated)

    def forget_idle(self, now: float) -> None:
        """Drop the clients that were idle for too long."""
        idle = [c for c, window in self._windows.items() if now - window.last_used > IDLE]
        for client in idle:
            self._journal.forget_keys(client, self._windows.pop(client).highest)


def _repeat(job: Job, like: JobSpec, payload: str, key: str) -> Accepted | Refusal:
    if job.asks_the_same(like, payload):
        return Accepted(job.id, duplicate=True)
    message = f"{key} belongs to {job.id}, a different job; use another key"
    return Refusal(Reason.KEY_CONFLICT, message)
