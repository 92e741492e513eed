"""Idempotency keys: which job a repeated submit means (promise 8).

A user's key holds for as long as its job is known, finished or not. A client's own key is
its number for the job, 1, 2, 3 …; the last :data:`WINDOW` numbers of each client are
remembered, and a client that was idle for :data:`IDLE` seconds is forgotten.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from nucleus.core.facts import fact
from nucleus.core.job import Job, JobSpec, make_job_id
from nucleus.core.journal import Journal
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.snapshot import Archive, KeyRun

WINDOW = 4096  # keys for each client; the shipped client keeps fewer submits unacknowledged
IDLE = 3600.0  # seconds


@dataclass(slots=True)
class _Window:
    last_used: float
    highest: int = 0
    numbers: dict[int, int] = field(default_factory=dict)  # client_seq -> job number
    forgotten: int = 0  # the store was told to forget up to here


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
            window = self._windows.setdefault(run.client, _Window(now))
            for place in range(run.count):
                self._put(window, run.first_seq + place, run.first_number + place)

    def recognise(
        self, like: JobSpec, payload: str, client_seq: int, client: str, now: float
    ) -> Accepted | Refusal | None:
        """The job that this one repeats, a refusal when it cannot, ``None`` for a new one."""
        job = self._of_user(like.key) if like.key else None
        if job is not None:
            return _repeat(job, like, payload, f"idempotency_key: {like.key!r}")
        if not client_seq:
            return None
        return self._recognise_number(like, payload, client_seq, client, now)

    def _recognise_number(
        self, like: JobSpec, payload: str, seq: int, client: str, now: float
    ) -> Accepted | Refusal | None:
        window = self._windows.get(client)
        if window is None:
            return None
        window.last_used = now
        if seq > window.highest:
            return None
        number = window.numbers.get(seq)
        if number is not None:
            job_id = make_job_id(self._ledger_id, number)
            job = self._live.get(job_id) or self._archive.find(job_id)
            if job is None:  # trimmed meanwhile, but the number is still its
                return Accepted(job_id, duplicate=True)
            return _repeat(job, like, payload, f"client_seq: {seq}")
        if seq <= window.highest - WINDOW:
            message = f"client_seq: {seq} is too old to tell whether it was seen"
            return Refusal(Reason.KEY_EXPIRED, message)
        return None

    def _of_user(self, key: str) -> Job | None:
        job_id = self._users.get(key)
        return self._live[job_id] if job_id is not None else self._archive.find_key(key)

    def hold(self, job: Job) -> None:
        """Remember the user's key of a live job."""
        if job.key:
            self._users[job.key] = job.id

    def let_go(self, job: Job) -> None:
        """The job left memory: the archive knows its user's key now."""
        self._users.pop(job.key, None)

    def remember(self, job: Job, now: float) -> None:
        """Remember which number of which client became ``job``."""
        window = self._windows.setdefault(job.client, _Window(now))
        window.last_used = now
        self._put(window, job.client_seq, job.number)
        self._journal.note_key(job.client, job.client_seq, job.number)
        outdated = window.highest - WINDOW
        if outdated >= window.forgotten + WINDOW:  # now and then, not each time
            window.forgotten = outdated
            self._journal.forget_keys(job.client, outdated)

    def _put(self, window: _Window, seq: int, number: int) -> None:
        window.numbers[seq] = number
        if seq == window.highest + 1:  # as nearly always
            window.numbers.pop(seq - WINDOW, None)
            window.highest = seq
        elif seq > window.highest:
            outdated = range(window.highest - WINDOW + 1, min(seq - WINDOW, window.highest) + 1)
            for old in outdated:
                window.numbers.pop(old, None)
            window.highest = seq

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
