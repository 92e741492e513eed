"""Idempotency keys: which job a repeated submit means (promise 8).

A user's key holds for as long as its job is known, finished or not. A client's own key is
its number for the job, 1, 2, 3 …; the last :data:`WINDOW` numbers of each client are
remembered, and a client that was idle for :data:`IDLE` seconds is forgotten.
"""

from dataclasses import dataclass, field

from nucleus.core.job import Job, JobSpec
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.snapshot import Archive

WINDOW = 4096  # keys for each client; the shipped client keeps fewer submits unacknowledged
IDLE = 3600.0  # seconds


@dataclass(slots=True)
class _Window:
    last_used: float
    highest: int = 0
    jobs: dict[int, str] = field(default_factory=dict)  # client_seq -> job id


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submit was taken in, now or, under the same key, before."""

    job_id: str
    duplicate: bool


class Keys:
    """All keys of all users and clients."""

    def __init__(self, live: dict[str, Job], archive: Archive) -> None:
        self._live = live  # the ledger's jobs by id
        self._archive = archive
        self._users: dict[str, str] = {}  # user's key -> id of a live job
        self._windows: dict[str, _Window] = {}

    def recognise(self, spec: JobSpec, client: str) -> Accepted | Refusal | None:
        """The job that ``spec`` repeats, a refusal when it cannot, ``None`` for a new one."""
        job_id: str | None = None
        job = self._of_user(spec.key) if spec.key else None
        if job is None and spec.client_seq:
            job_id = self.find(client, spec.client_seq)
            if job_id is None and self._expired(client, spec.client_seq):
                message = f"client_seq: {spec.client_seq} is too old to tell whether it was seen"
                return Refusal(Reason.KEY_EXPIRED, message)
            job = self._job(job_id) if job_id is not None else None
        if job is None:
            return None if job_id is None else Accepted(job_id, duplicate=True)
        if not job.asks_the_same(spec):
            key = f"idempotency_key: {spec.key!r}" if spec.key else f"client_seq: {spec.client_seq}"
            message = f"{key} belongs to {job.id}, a different job; use another key"
            return Refusal(Reason.KEY_CONFLICT, message)
        return Accepted(job.id, duplicate=True)

    def _of_user(self, key: str) -> Job | None:
        job_id = self._users.get(key)
        return self._live[job_id] if job_id is not None else self._archive.find_key(key)

    def _job(self, job_id: str) -> Job | None:
        return self._live.get(job_id) or self._archive.find(job_id)

    def hold(self, job: Job, now: float) -> None:
        """Remember the keys of a live job."""
        if job.key:
            self._users[job.key] = job.id
        if job.client_seq:
            self.remember(job.client, job.client_seq, job.id, now)

    def let_go(self, job: Job) -> None:
        """The job left memory: the archive knows its user's key now."""
        self._users.pop(job.key, None)

    def remember(self, client: str, seq: int, job_id: str, now: float) -> None:
        """Note that number ``seq`` of ``client`` became ``job_id``."""
        window = self._windows.setdefault(client, _Window(now))
        window.last_used = max(window.last_used, now)
        if seq <= window.highest - WINDOW:
            return  # of a live job that a new ledger meets again; expired all the same
        window.jobs[seq] = job_id
        if seq > window.highest:
            outdated = range(window.highest - WINDOW + 1, min(seq - WINDOW, window.highest) + 1)
            for old in outdated:
                window.jobs.pop(old, None)
            window.highest = seq

    def find(self, client: str, seq: int) -> str | None:
        """The job that number ``seq`` of ``client`` became, if it is remembered."""
        window = self._windows.get(client)
        return window.jobs.get(seq) if window else None

    def _expired(self, client: str, seq: int) -> bool:
        """Whether ``seq`` is so old that it can no longer be told whether it was seen."""
        window = self._windows.get(client)
        return window is not None and seq <= window.highest - WINDOW

    def forget_idle(self, now: float) -> None:
        """Drop the clients that were idle for too long."""
        idle = [c for c, window in self._windows.items() if now - window.last_used > IDLE]
        for client in idle:
            del self._windows[client]
