"""The ledger: the rules of the queue, as one deterministic state machine.

A command and a time go in; an answer comes out at once, and what happened is added to the
changes that :meth:`Ledger.drain` hands over. The ledger never blocks, reads no clock and
knows no sockets, and it never raises for what a remote party did wrong: it answers with a
:class:`~nucleus.core.refusals.Refusal`.

- Commands: ``submit`` ``retry`` ``cancel`` · ``open_session`` ``close_session``
  ``heartbeat`` ``report`` · ``dispatch`` ``tick``.
- A job changes only through an event (``nucleus.core.job.evolve``).
- Nothing here may leave the master before it is committed: see ``nucleus.core.outbox``.

The numbered promises are those of ``docs/architecture.md``.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, islice
from operator import attrgetter

from nucleus.core.attempts import Attempts
from nucleus.core.catalog import Catalog
from nucleus.core.checks import (
    check_hello,
    check_order,
    check_report,
    queue_full,
    refuse_crowd,
    refuse_session,
    replaced,
    room,
    unknown_job,
)
from nucleus.core.events import (
    ENDINGS,
    JobCancelled,
    JobLeased,
    JobSubmitted,
    MasterStarted,
    ResultRejected,
    WorkerHeartbeat,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.core.job import Job, JobSpec, Order, evolve, make_job_id, new_job
from nucleus.core.journal import Journal
from nucleus.core.keys import Accepted, Keys
from nucleus.core.lifecycle import CANCELLED, QUEUED, Status
from nucleus.core.limits import Limits
from nucleus.core.refusals import Reason, Refusal, invalid
from nucleus.core.roster import Roster
from nucleus.core.rules import OURS, Rules
from nucleus.core.snapshot import Archive, Changes, Snapshot, Totals, WorkerRow
from nucleus.core.worker import (
    MAX_RETIRED,
    Beat,
    BeatAnswer,
    Hello,
    Report,
    Reports,
    Worker,
    WorkerStatus,
)

TICK = 0.25  # seconds between two ticks of a master that keeps up


_id = attrgetter("id")
_lease = attrgetter("lease")
_stands = attrgetter("job_type", "priority", "front", "not_before")


class Ledger:
    """All live jobs and workers, and the rules that move them."""

    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive,
        catalog: Catalog,
        limits: Limits,
        now: float,
        rules: Rules = OURS,
    ) -> None:
        self.ledger_id = snapshot.ledger_id
        self.epoch = snapshot.epoch
        self.limits = limits
        self.roster = Roster()
        self._archive = archive
        self._catalog = catalog
        self._rules = rules
        self._journal = Journal(snapshot.next_seq, snapshot.totals)
        # Time goes on from where the last master left it, also when the clock was set back.
        self._clock_ahead = max(0.0, snapshot.latest - now)
        self._latest = snapshot.latest
        self._job_types = set(snapshot.job_types) | set(catalog.names())
        self._jobs: dict[str, Job] = {}  # live, and ended ones until their commit
        self._ready = rules.queue()
        self._attempts = Attempts(self._journal, self._ready, limits, rules)
        self._keys = Keys(self.ledger_id, self._jobs, archive, self._journal)
        self._last_tick = self._allowance = self._time(now)
        self._load(snapshot)

    # ---- starting ---------------------------------------------------------------------

    def _load(self, snapshot: Snapshot) -> None:
        for row in snapshot.workers:
            self.roster.add(_restored(row, self._latest))
        self._keys.load(snapshot.keys, self._latest)
        jobs = sorted(snapshot.jobs, key=_lease)  # the queued ones, without one, oldest first
        queued = bisect_left(jobs, 1, key=_lease)
        self._jobs.update(zip(map(_id, jobs), jobs, strict=True))
        self._keys.hold(jobs)
        for _, alike in groupby(islice(jobs, queued), _stands):
            self._ready.extend(list(alike), self._latest)
        for job in islice(jobs, queued, None):
            if holder := self.roster.find(job.worker, job.incarnation):
                holder.leases[job.lease] = job.id

    def serve(self, now: float) -> None:
        """Begin to serve: from now on silence counts (promise 3)."""
        now = self._time(now)
        self._allowance = self._last_tick = now
        self._journal.emit(MasterStarted(self._journal.seq(), now, self.epoch))

    # ---- submitting -------------------------------------------------------------------

    def submit(self, spec: JobSpec, client: str, now: float) -> Accepted | Refusal:
        """Take a job in, or recognise it by its key."""
        return self.submit_order(Order(spec, (spec.payload,), spec.client_seq), client, now)[0]

    def submit_order(self, order: Order, client: str, now: float) -> list[Accepted | Refusal]:
        """Take in jobs that are alike; one outcome for each, in order."""
        now = self._time(now)
        refusal = check_order(order, client) or self._check_type(order.like.job_type)
        if refusal is not None:
            return [refusal] * len(order.payloads)
        return self._enter(order, client, now)

    def retry(self, job_id: str, key: str, now: float) -> Accepted | Refusal:
        """Make a new job like the ended ``job_id``; terminal is terminal."""
        now = self._time(now)
        job = self.find(job_id)
        if job is None:
            return unknown_job(job_id)
        if not job.ended:
            message = f"job_id: {job_id} is {job.status.name}; only an ended job can be retried"
            return Refusal(Reason.NOT_ENDED, message)
        spec = JobSpec(
            job.job_type,
            job.payload,
            job.priority,
            max_attempts=job.max_attempts,
            timeout=job.timeout,
            key=key,
            retry_of=job.id,
        )
        order = Order(spec, (spec.payload,))
        return check_order(order, "") or self._enter(order, "", now)[0]

    def _check_type(self, job_type: str) -> Refusal | None:
        if job_type in self._job_types:
            return None
        return invalid("job_type", job_type, f"known: {', '.join(self.job_types())}")

    def _enter(self, order: Order, client: str, now: float) -> list[Accepted | Refusal]:
        outcomes = self._recognise(order, client, now)
        new = [place for place, outcome in enumerate(outcomes) if outcome is None]
        jobs = self._create(order, new[: room(*self._waiting())], client, now)
        accepted = iter([Accepted(job.id, False) for job in jobs])
        return [each or next(accepted, None) or queue_full(*self._waiting()) for each in outcomes]

    def _recognise(self, order: Order, client: str, now: float) -> list[Accepted | Refusal | None]:
        """What is known or refused already; ``None`` for each job that is new."""
        like = order.like
        problems = list(map(self._catalog.checker(like.job_type), order.payloads))
        if self._keys.new_for(order, client):
            return [Refusal(Reason.INVALID, problem) if problem else None for problem in problems]
        return [
            Refusal(Reason.INVALID, problem)
            if problem
            else self._keys.recognise(like, order.payloads[place], order.seq(place), client, now)
            for place, problem in enumerate(problems)
        ]

    def _waiting(self) -> tuple[int, int, Limits]:
        return len(self._ready), self._ready.size, self.limits

    def _create(self, order: Order, places: Sequence[int], client: str, now: float) -> list[Job]:
        """Make jobs of those that stand at ``places`` of ``order``."""
        like, payloads, ledger_id = order.like, order.payloads, self.ledger_id
        not_before = now + like.delay if like.delay else now
        events = [
            JobSubmitted(
                seq,
                now,
                make_job_id(ledger_id, seq),
                like.job_type,
                payloads[place],
                like.priority,
                not_before,
                like.max_attempts,
                like.timeout,
                like.key,
                client,
                order.seq(place),
                like.retry_of,
            )
            for seq, place in zip(self._journal.seqs(len(places)), places, strict=True)
        ]
        jobs = list(map(new_job, events))
        by_id = dict(zip(map(_id, jobs), jobs, strict=True))
        self._jobs.update(by_id)
        self._journal.changed(by_id, events)
        self._ready.extend(jobs, now)
        self._keys.hold(jobs)
        if order.first_seq and jobs:
            self._keys.remember(jobs, now)
        return jobs

    def cancel(self, job_id: str, now: float) -> Refusal | None:
        """Cancel a queued or running job; again for a cancelled one does no harm."""
        now = self._time(now)
        job = self.find(job_id)
        if job is None:
            return unknown_job(job_id)
        if job.status is CANCELLED:
            return None
        if job.ended:
            message = f"job_id: {job_id} is {job.status.name}; only a job that has not ended"
            return Refusal(Reason.ALREADY_ENDED, f"{message} can be cancelled")
        lease, holder = job.lease, job.worker if job.lease else ""
        queued = job.status is QUEUED
        event = JobCancelled(
            self._journal.seq(), now, job.id, lease, holder, job.client, job.client_seq
        )
        self._journal.change(job, event)
        if queued:
            self._ready.cancelled(job)
        elif worker := self.roster.find(holder, job.incarnation):
            worker.void(lease)
        return None

    # ---- working ----------------------------------------------------------------------

    def open_session(self, hello: Hello, now: float) -> tuple[int, ...] | Refusal:
        """A worker introduces itself. Return those of its leases that are void."""
        now = self._time(now)
        worker = self.roster.named(hello.worker)
        crowd = hello, self.roster, self._job_types, self.limits
        if refusal := check_hello(hello) or refuse_crowd(*crowd) or refuse_session(worker, hello):
            return refusal
        alive = worker is not None and worker.status is WorkerStatus.ALIVE
        if worker is not None and alive and worker.incarnation != hello.incarnation:
            self._lose(worker, "replaced", now)
        worker = self._join(worker, hello, now)
        return self._reconcile(worker, hello, now)

    def _join(self, known: Worker | None, hello: Hello, now: float) -> Worker:
        if known is None or known.incarnation != hello.incarnation:
            worker = Worker(hello.worker, hello.incarnation, hello.slots, hello.job_types, now, now)
            if known is not None:
                worker.retired = (*known.retired, known.incarnation)[-MAX_RETIRED:]
            joins = True
        else:
            worker = known
            joins = worker.status is not WorkerStatus.ALIVE
        worker.status = WorkerStatus.ALIVE
        worker.session, worker.connected, worker.last_heartbeat = hello.session, True, now
        worker.slots, worker.job_types = hello.slots, hello.job_types
        worker.hear(hello.credit)
        self._job_types.update(hello.job_types)
        self._journal.touch_worker(worker)
        if joins:
            worker.joined_at = now
            name, inc = worker.name, worker.incarnation
            seq = self._journal.seq()
            self._journal.emit(
                WorkerJoined(seq, now, name, inc, hello.session, hello.slots, hello.job_types)
            )
        return worker

    def _reconcile(self, worker: Worker, hello: Hello, now: float) -> tuple[int, ...]:
        presented = set(hello.leases)
        undelivered = [lease for lease in worker.leases if lease not in presented]
        for job in self._take(worker, undelivered):
            self._attempts.requeue(job, "undelivered", now)
        voided = tuple(lease for lease in hello.leases if lease not in worker.leases)
        worker.voided = set(voided)
        self.roster.add(worker)
        return voided

    def close_session(self, name: str, incarnation: str, session: int) -> None:
        """A worker's stream ended. That is not death: its leases stay (promise 4)."""
        worker = self.roster.find(name, incarnation)
        if worker is not None and worker.session == session:
            worker.connected = False
            self.roster.file(worker)

    def heartbeat(self, beat: Beat, now: float) -> BeatAnswer | Refusal:
        """A worker says that it lives. Only a session revives one that was lost."""
        now = self._time(now)
        named = self.roster.named(beat.worker)
        if named is not None and beat.incarnation in named.retired:
            return replaced(beat.worker)
        worker = self.roster.find(beat.worker, beat.incarnation)
        if worker is None or worker.status is not WorkerStatus.ALIVE:
            return BeatAnswer(open_again=not beat.leaving, voided=())
        worker.last_heartbeat = now
        worker.running = beat.running
        name, incarnation = worker.name, worker.incarnation
        self._journal.beat(WorkerHeartbeat(0, now, name, incarnation, beat.session, beat.running))
        worker.hear(beat.credit, beat.stopped)
        self.roster.file(worker)
        if beat.leaving:
            self._leave(worker, now)
        known = worker.session == beat.session and worker.connected
        return BeatAnswer(not known and not beat.leaving, tuple(sorted(worker.voided)))

    def report(self, reports: Reports, now: float) -> tuple[list[Refusal | None], tuple[int, ...]]:
        """A worker tells what became of its leases (promise 2).

        Return for each report a refusal or ``None``, and the leases that are void.
        """
        now = self._time(now)
        worker = self.roster.find(reports.worker, reports.incarnation)
        outcomes = [self._report(reports, report, now) for report in reports.items]
        if worker is None:
            return outcomes, ()
        worker.told(reports.items, outcomes)
        worker.hear(reports.credit, reports.stopped)
        self.roster.file(worker)
        return outcomes, tuple(sorted(worker.voided))

    def _report(self, by: Reports, report: Report, now: float) -> Refusal | None:
        job = self.find(report.job_id)
        if job is not None and self._rules.repeats(job, by, report):
            return None
        refusal = check_report(report, by, job) or self._check_result(report)
        if refusal is not None:
            return refusal
        refusal = self._rules.refuse_report(job, by, report)
        if refusal is None and job is not None:
            self._attempts.accept(job, report, now)
        elif refusal is not None:
            reason = refusal.reason.name.lower()
            seq = self._journal.seq()
            event = ResultRejected(seq, now, report.job_id, report.lease, by.worker, reason)
            self._journal.emit(event)
        return refusal

    def _check_result(self, report: Report) -> Refusal | None:
        problem = self._catalog.check_result(report.result) if report.result is not None else None
        return Refusal(Reason.INVALID, problem) if problem else None

    # ---- losing workers ---------------------------------------------------------------

    def _lose(self, worker: Worker, reason: str, now: float) -> None:
        """Give up on a worker, and take back what it holds."""
        self._journal.emit(
            WorkerLost(self._journal.seq(), now, worker.name, worker.incarnation, reason)
        )
        self._retire(worker, WorkerStatus.LOST)
        why = "worker_lost" if reason == "silence" else reason
        for place, job in enumerate(self._take_all(worker)):
            self._attempts.lose(job, place, worker, why, now)

    def _leave(self, worker: Worker, now: float) -> None:
        self._journal.emit(WorkerLeft(self._journal.seq(), now, worker.name, worker.incarnation))
        self._retire(worker, WorkerStatus.LEFT)
        for job in self._take_all(worker):
            self._attempts.requeue(job, "left", now)

    def _retire(self, worker: Worker, status: WorkerStatus) -> None:
        worker.status = status
        worker.connected = False
        worker.running = ()
        self._journal.touch_worker(worker)
        self.roster.file(worker)

    def _take_all(self, worker: Worker) -> list[Job]:
        worker.voided.clear()
        return self._take(worker, list(worker.leases))

    def _take(self, worker: Worker, leases: list[int]) -> list[Job]:
        held = [(lease, self._jobs.get(worker.leases.pop(lease))) for lease in leases]
        # Other rules than ours may have accepted a result under another lease meanwhile.
        return [job for lease, job in held if job is not None and job.lease == lease]

    # ---- the passing of time ----------------------------------------------------------

    def dispatch(self, now: float) -> None:
        """Lease ready jobs to workers with credit (promises 6 and 7)."""
        now = self._time(now)
        self._ready.wake(now)
        if not self._ready.startable:
            return
        passed_over: list[Worker] = []
        jobs: dict[str, Job] = {}
        leases: list[JobLeased] = []
        while worker := self.roster.next_in_turn():
            job = self._ready.head(worker.job_types)
            if job is None and not self._ready.startable:
                break
            if job is None or (job.suspect and not worker.has_free_slot):
                self.roster.set_aside(worker)
                passed_over.append(worker)
            else:
                jobs[job.id] = job
                leases.append(self._lease(job, worker, now))
        self._journal.changed(jobs, leases)
        for worker in passed_over:
            self.roster.file(worker)

    def _lease(self, job: Job, worker: Worker, now: float) -> JobLeased:
        self._ready.pop(job)
        event = JobLeased(self._journal.seq(), now, job.id, worker.name, worker.incarnation)
        evolve(job, event)
        worker.leases[event.seq] = job.id
        self.roster.file(worker)
        return event

    def tick(self, now: float) -> None:
        """Judge silence, after all commands received so far (promise 4)."""
        now = self._time(now)
        if now - self._last_tick > self.limits.frozen_after:
            self._allowance = now
        self._last_tick = now
        for worker in self.roster.alive():
            if self._rules.gives_up(worker, self._allowance, now, self.limits):
                self._lose(worker, "silence", now)
        gone = [w for w in self.roster if w.status is not WorkerStatus.ALIVE]
        for worker in gone:
            if now - worker.last_heartbeat > self.limits.gone_kept:
                self.roster.remove(worker)
                self._journal.remove_worker(worker)
        self._keys.forget_idle(now)

    def silence(self, worker: Worker, now: float) -> float:
        """Seconds without a heartbeat that count against ``worker``."""
        return now - max(worker.last_heartbeat, self._allowance)

    # ---- asking -----------------------------------------------------------------------

    def find(self, job_id: str) -> Job | None:
        """The job under this id, live or ended."""
        return self._jobs.get(job_id) or self._archive.find(job_id)

    def in_memory(self, job_id: str) -> Job | None:
        """The job under this id, unless it has left memory."""
        return self._jobs.get(job_id)

    def job_types(self) -> list[str]:
        """The types that can be submitted, sorted."""
        return sorted(self._job_types)

    def counts(self) -> dict[str, int]:
        """Jobs by status; they add up to ``totals.submitted`` (promise 10)."""
        counts = {status.name: self.totals.finished.get(status.name, 0) for status in Status}
        counts[Status.QUEUED.name] = len(self._ready)
        counts[Status.RUNNING.name] = sum(len(worker.leases) for worker in self.roster)
        return counts

    def oldest_queued_age(self, now: float) -> float:
        """Seconds since the longest-waiting queued job could run; 0 when none waits."""
        since = self._ready.waiting_since()
        return 0.0 if since is None else max(0.0, self._time(now) - since)

    @property
    def totals(self) -> Totals:
        """Counts since the ledger began."""
        return self._journal.totals

    @property
    def next_seq(self) -> int:
        """The sequence number of the next event."""
        return self._journal.next_seq

    # ---- handing over -----------------------------------------------------------------

    def drain(self) -> Changes:
        """What happened since the last call, as one commit's worth."""
        return self._journal.drain(tuple(self.job_types()), self._latest)

    def forget_ended(self, changes: Changes) -> None:
        """Let go of the jobs that ended in ``changes``, which are committed now."""
        for event in changes.events:
            job = self._jobs.get(event.job_id) if isinstance(event, ENDINGS) else None
            if job is not None and job.ended and not self._journal.holds(job):
                del self._jobs[job.id]
                self._keys.let_go(job)

    def _time(self, now: float) -> float:
        self._latest = max(self._latest, now + self._clock_ahead)
        return self._latest


def _restored(row: WorkerRow, now: float) -> Worker:
    return Worker(
        row.name,
        row.incarnation,
        row.slots,
        row.job_types,
        row.joined_at,
        last_heartbeat=now,
        status=WorkerStatus(row.status),
        retired=row.retired,
        session=row.session,
    )
