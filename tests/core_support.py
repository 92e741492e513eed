"""A queue to drive by hand: the real ledger, outbox and memory store under a manual clock.

:class:`Queue` runs commands at the time of its clock. Nothing is committed before
:meth:`Queue.settle`; :meth:`Queue.restart` loses what was not. :func:`check_invariants`
counts everything a second time, from the rows and the history alone.

The fixture :func:`checked_queue` checks the invariants on the way out of each test; test
modules call it ``queue``.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from nucleus.core.catalog import Check
from nucleus.core.clock import ManualClock
from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
)
from nucleus.core.job import Job, JobSpec, evolve, job_from_row, new_job
from nucleus.core.keys import Accepted
from nucleus.core.ledger import TICK, Ledger
from nucleus.core.lifecycle import Status
from nucleus.core.limits import Limits
from nucleus.core.outbox import Outbox
from nucleus.core.ready import ReadyQueue
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.rules import OURS, Rules
from nucleus.core.snapshot import Changes, Totals
from nucleus.core.worker import (
    Beat,
    BeatAnswer,
    Credit,
    Hello,
    Report,
    Reports,
    Worker,
    WorkerStatus,
)
from nucleus.stores import Store
from nucleus.stores.memory import MemoryDisk, MemoryStore

START = 1_000_000.0  # Unix seconds
JobEvent = JobLeased | JobCompleted | JobFailed | JobRequeued | JobCancelled


class Types:
    """A catalog of two job types that take any payload but ``"bad"``."""

    def names(self) -> Iterable[str]:
        return ("Echo", "Sleep")

    def checker(self, job_type: str) -> Check:
        says = "payload: 'bad' is not allowed; anything else"
        return lambda payload: says if payload == "bad" else None

    def check_result(self, result: str) -> str | None:
        try:
            json.loads(result)
        except (ValueError, RecursionError):
            return f"result: {result[:20]!r} is not allowed; JSON text"
        return None


def keep(store: Store, changes: Changes) -> None:
    """Commit ``changes`` at once."""
    store.stage(changes)
    store.commit()


class Queue:
    """A master without a network: commands in, committed events out."""

    def __init__(self, limits: Limits | None = None, rules: Rules = OURS) -> None:
        self.limits = limits or Limits()
        self.rules = rules
        self.clock = ManualClock(START)
        self.disk = MemoryDisk("ledger")
        self.history: list[Event] = []  # everything that was committed, across restarts
        self.incarnations: dict[str, str] = {}  # the latest of each worker
        self.sessions: dict[tuple[str, str], int] = {}  # the latest of each incarnation
        self._credit_seq = 0
        self._start()

    def _start(self) -> None:
        self.store = MemoryStore(self.disk)
        snapshot = self.store.load()
        self.ledger = Ledger(snapshot, self.store, Types(), self.limits, self.now, self.rules)
        self.ledger.serve(self.now)
        self.outbox: Outbox[str] = Outbox(self.ledger)

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """What is durable of each job, by id."""
        return {row[0]: row for row in self.disk.rows.values()}

    # ---- time -------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.clock.now()

    def tick(self) -> None:
        self.ledger.tick(self.now)

    def jump(self, seconds: float) -> None:
        """Let time pass without a tick, as for a master that is frozen, and tick once."""
        self.clock.advance(seconds)
        self.tick()

    def wait(self, seconds: float, *, beating: Iterable[str] = ()) -> None:
        """Let time pass with a tick every 250 ms, before each of which ``beating`` beat."""
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            for name in beating:
                self.beat(name)
            self.tick()

    # ---- committing -------------------------------------------------------------------

    def begin(self) -> Changes:
        """Begin a batch; nobody may be leased more than its window (promise 7)."""
        before = {worker.name: set(worker.leases) for worker in self.ledger.roster}
        batch = self.outbox.begin(self.now)
        assert batch is not None
        for worker in self.ledger.roster:
            if set(worker.leases) - before[worker.name]:
                assert worker.held <= worker.credit.window
                assert worker.connected
        return batch

    def commit(self, batch: Changes) -> list[str]:
        """Commit ``batch`` and return the effects that may leave now."""
        keep(self.store, batch)
        self.history += batch.events
        return self.outbox.committed()

    def settle(self) -> list[Event]:
        """Lease what can be leased, commit everything, and return the events of it."""
        batch = self.begin()
        self.commit(batch)
        return list(batch.events)

    def restart(self, *, set_back: float = 0.0) -> None:
        """Crash and start again on the same disk; the clock may be set back meanwhile."""
        self.clock = ManualClock(self.now - set_back)
        self._start()

    # ---- clients ----------------------------------------------------------------------

    def offer(
        self, payload: str = "1", *, job_type: str = "Echo", client: str = "", **fields: Any
    ) -> Accepted | Refusal:
        """Submit a job, and return whatever the ledger answers."""
        return self.ledger.submit(JobSpec(job_type, payload, **fields), client, self.now)

    def submit(self, payload: str = "1", **fields: Any) -> str:
        """Submit a job that is taken in, and return its id."""
        return accepted(self.offer(payload, **fields)).job_id

    def submit_many(self, count: int, **fields: Any) -> list[str]:
        return [self.submit(**fields) for _ in range(count)]

    def cancel(self, job_id: str) -> Refusal | None:
        return self.ledger.cancel(job_id, self.now)

    def retry(self, job_id: str, key: str = "") -> Accepted | Refusal:
        return self.ledger.retry(job_id, key, self.now)

    # ---- workers ----------------------------------------------------------------------

    def credit(self, window: int) -> Credit:
        """A credit that is newer than all before."""
        self._credit_seq += 1
        return Credit(window, self._credit_seq)

    def hello(
        self,
        name: str,
        slots: int = 1,
        window: int | None = None,
        leases: Iterable[int] = (),
        *,
        incarnation: str = "",
        session: int = 0,
        job_types: tuple[str, ...] = ("Echo",),
    ) -> tuple[int, ...] | Refusal:
        """Open the next session, or the one given, and return what the ledger answers."""
        incarnation = incarnation or self.incarnations.get(name, "i1")
        session = session or self.sessions.get((name, incarnation), 0) + 1
        credit = self.credit(slots if window is None else window)
        hello = Hello(name, incarnation, session, slots, credit, job_types, tuple(leases))
        answer = self.ledger.open_session(hello, self.now)
        if not isinstance(answer, Refusal):
            self.incarnations[name] = incarnation
            self.sessions[name, incarnation] = session
        return answer

    def join(self, name: str, *args: Any, **fields: Any) -> tuple[int, ...]:
        """Open a session that is taken in, and return the presented leases that are void."""
        answer = self.hello(name, *args, **fields)
        assert not isinstance(answer, Refusal), answer
        return answer

    def crash_stream(self, name: str) -> None:
        """The stream of a worker breaks; the worker may live on."""
        incarnation = self.incarnations[name]
        self.ledger.close_session(name, incarnation, self.sessions[name, incarnation])

    def beat(
        self,
        name: str,
        *,
        incarnation: str = "",
        session: int = 0,
        credit: Credit | None = None,
        stopped: tuple[int, ...] = (),
        leaving: bool = False,
    ) -> BeatAnswer | Refusal:
        """Send a heartbeat; without ``credit`` it states nothing new."""
        incarnation = incarnation or self.incarnations.get(name, "i1")
        session = session or self.sessions.get((name, incarnation), 1)
        stated = credit or Credit(0, -1)
        beat = Beat(name, incarnation, session, stated, (), stopped, leaving)
        return self.ledger.heartbeat(beat, self.now)

    def report(
        self,
        name: str,
        *reports: Report,
        incarnation: str = "",
        credit: Credit | None = None,
        stopped: tuple[int, ...] = (),
    ) -> list[Reason | None]:
        """Report as worker ``name``; return the reason of each refusal."""
        incarnation = incarnation or self.incarnations.get(name, "i1")
        sent = Reports(name, incarnation, reports, credit, stopped)
        outcomes, _ = self.ledger.report(sent, self.now)
        return [outcome.reason if outcome else None for outcome in outcomes]

    def finish(self, job_id: str) -> Report:
        """The worker that runs the job reports a result, and it is taken."""
        return self._accepted(Report(job_id, self.lease(job_id), result='"done"'))

    def fail(self, job_id: str, error: str = "boom") -> Report:
        """The worker that runs the job reports an error, and it is taken."""
        return self._accepted(Report(job_id, self.lease(job_id), error=error))

    def release(self, job_id: str) -> Report:
        """The worker that holds the job hands it back, and it is taken."""
        return self._accepted(Report(job_id, self.lease(job_id), released=True))

    def _accepted(self, report: Report) -> Report:
        job = self.job(report.job_id)
        assert self.report(job.worker, report, incarnation=job.incarnation) == [None]
        return report

    # ---- looking ----------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        job = self.ledger.find(job_id)
        assert job is not None, job_id
        return job

    def status(self, job_id: str) -> Status:
        return self.job(job_id).status

    def lease(self, job_id: str) -> int:
        lease = self.job(job_id).lease
        assert lease, f"{job_id} is not running"
        return lease

    def worker(self, name: str) -> Worker:
        worker = self.ledger.roster.named(name)
        assert worker is not None, name
        return worker

    def held(self, name: str) -> list[str]:
        """The jobs that a worker holds, in the order in which they were leased."""
        return list(self.worker(name).leases.values())

    def happened(self, *kinds: type[Event]) -> list[Event]:
        """The committed events of these kinds, oldest first."""
        return [event for event in self.history if isinstance(event, kinds)]


def accepted(outcome: Accepted | Refusal) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    return outcome


def refused(outcome: object) -> Reason:
    """The reason of a refusal, whose message is not empty."""
    assert isinstance(outcome, Refusal), outcome
    assert outcome.message
    return outcome.reason


def replay(history: Iterable[Event]) -> dict[str, Job]:
    """The jobs, made anew from the events alone."""
    jobs: dict[str, Job] = {}
    for event in history:
        match event:
            case JobSubmitted():
                jobs[event.job_id] = new_job(event)
            case JobLeased() | JobCompleted() | JobFailed() | JobRequeued() | JobCancelled():
                evolve(jobs[event.job_id], event)
    return jobs


# ---- invariants -----------------------------------------------------------------------


def check_invariants(queue: Queue) -> None:
    """Check what is true at every moment, committed or not."""
    jobs = all_jobs(queue)
    _check_counts(queue.ledger, jobs)
    _check_leases(queue.ledger, jobs)
    _check_ready(queue.ledger, jobs)
    _check_roster(queue.ledger)
    _check_history(queue)
    for job in jobs.values():
        _check_job(job)


def all_jobs(queue: Queue) -> dict[str, Job]:
    """Every job by id: the rows on the disk, overlaid with what the ledger has in memory."""
    jobs = {job_id: job_from_row(row) for job_id, row in queue.rows().items()}
    return jobs | queue.ledger._jobs


def _check_counts(ledger: Ledger, jobs: dict[str, Job]) -> None:
    """Promise 10: submitted = queued + running + terminal."""
    counted = Counter(job.status.name for job in jobs.values())
    assert ledger.counts() == {status.name: counted[status.name] for status in Status}
    assert ledger.totals.submitted == len(jobs)


def _check_leases(ledger: Ledger, jobs: dict[str, Job]) -> None:
    """Every running job is held under its lease by exactly the worker it was given to."""
    held = [
        (lease, job_id, worker.name, worker.incarnation)
        for worker in ledger.roster
        for lease, job_id in worker.leases.items()
    ]
    running = [
        (job.lease, job.id, job.worker, job.incarnation)
        for job in jobs.values()
        if job.status is Status.RUNNING
    ]
    assert sorted(held) == sorted(running)
    for worker in ledger.roster:
        assert list(worker.leases) == sorted(worker.leases), "oldest first"
        assert not worker.voided & worker.leases.keys()
        if worker.status is not WorkerStatus.ALIVE:
            assert not worker.held
            assert not worker.connected


def _check_ready(ledger: Ledger, jobs: dict[str, Job]) -> None:
    """Every queued job waits in one place, and the next one of each type is the right one."""
    ready = ledger._ready
    assert isinstance(ready, ReadyQueue)
    waiting = {
        job_type: [job for where in stands for job in ready._lines[where]]
        for job_type, stands in ready._by_type.items()
    }
    assert {where for stands in ready._by_type.values() for where in stands} == set(ready._lines)
    delayed = [job.id for job in ready._delayed]
    queued = {job.id for job in jobs.values() if job.status is Status.QUEUED}
    places = Counter(job.id for line in waiting.values() for job in line)
    places.update(delayed)
    assert {job_id: places[job_id] for job_id in queued} == dict.fromkeys(queued, 1)
    assert len(ready) == len(queued)
    for job_type, line in waiting.items():
        live = [job for job in line if job.id in queued]
        assert all(job.job_type == job_type for job in live)
        assert ready.head([job_type]) is min(live, key=turn, default=None)


def turn(job: Job) -> tuple[Any, ...]:
    """The place of a queued job in promise 6, written down a second time."""
    since = job.submitted_at if job.front else job.not_before
    return (-job.priority, not job.front, since, job.id)


def _check_roster(ledger: Ledger) -> None:
    """Exactly the workers that can be sent jobs are filed, each where it belongs."""
    roster = ledger.roster
    free = {worker.name for worker in roster if worker.has_free_slot}
    roomy = {worker.name for worker in roster if worker.has_room} - free
    assert (set(roster._free), set(roster._roomy)) == (free, roomy)


def _check_history(queue: Queue) -> None:
    """Promise 3, and: whoever holds the events gets the same jobs and the same totals."""
    seqs = [event.seq for event in queue.history]
    assert seqs == sorted(set(seqs)), "strictly increasing, never used twice"
    times = [event.at for event in queue.history]
    assert times == sorted(times), "time never goes back"
    rows = {job_id: job.row() for job_id, job in replay(queue.history).items()}
    assert rows == queue.rows()
    totals = Totals()
    totals.count(queue.history)
    assert totals == queue.disk.totals


def _check_job(job: Job) -> None:
    assert job.attempts <= job.max_attempts
    assert bool(job.lease) == (job.status is Status.RUNNING)
    assert (job.finished_at is not None) == job.ended
    if not job.ended:
        assert job.attempts < job.max_attempts


@pytest.fixture
def checked_queue() -> Iterator[Queue]:
    """A fresh queue, whose invariants are checked when the test is over."""
    queue = Queue()
    yield queue
    check_invariants(queue)
    if not queue.outbox.committing:
        queue.settle()
        check_invariants(queue)
