"""The simulated worker and client: the real sessions, in shells that can crash and freeze."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nucleus.core.client_session import ClientSession
from nucleus.core.events import Event
from nucleus.core.job import JobSpec
from nucleus.core.keys import Accepted
from nucleus.core.news import Acknowledged, Ended, News
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import Assignment, Beat, BeatAnswer, Credit, Report, Reports
from nucleus.core.worker_session import WorkerSession
from nucleus.sim.world import Call, Process, Stream, World

HEARTBEAT = 3.0  # seconds
POLL = 2.0  # seconds between lookups of jobs that another submit made
RUN_SECONDS = {  # shortest and longest run of each kind of job
    "quick": (0.001, 0.02),
    "slow": (1.0, 8.0),
    "failing": (0.01, 0.5),
    "flaky": (0.01, 1.0),
    "killer": (0.01, 0.5),
}


class SimWorker(Process):
    """One incarnation of a worker."""

    def __init__(
        self,
        world: World,
        name: str,
        incarnation: str,
        slots: int,
        job_types: Iterable[str],
        ended: Callable[["SimWorker"], None],
    ) -> None:
        super().__init__(world, name)
        self.session = WorkerSession(name, incarnation, slots, job_types)
        self.received: dict[int, str] = {}  # lease -> job
        self._unfinished: set[int] = set()
        self._void_leases: set[int] = set()  # that it was told of
        self._stated = 0  # the largest credit window so far
        self._ended = ended
        self._stream: Stream | None = None
        self._opening = False
        self._open()
        self._beat()

    def _call(self, command: Callable[[Any, Call], None], done: Callable[[Any], None]) -> None:
        Call(self, command, done)

    def _state(self, credit: Credit | None) -> None:
        self._stated = max(self._stated, credit.window if credit else 0)

    # ---- sessions ---------------------------------------------------------------------

    def _reopen(self, session: int) -> None:
        if session == self.session.session and not self._opening:
            self._opening = True
            self.after(self.backoff(), self._results_first)

    def _results_first(self) -> None:
        if not self._flush():
            self._open()

    def _open(self) -> None:
        hello = self.session.open(self.world.now)
        self._state(hello.credit)
        self._opening = False
        self._stream = Stream(
            self,
            lambda master, stream, call: master.get_jobs(hello, stream, call),
            partial(self._receive, hello.session),
            partial(self._broke, hello.session),
        )

    def _broke(self, session: int, refusal: Refusal | None) -> None:
        if refusal is not None and refusal.reason is Reason.REPLACED:
            self.crash()
        else:
            self._reopen(session)

    def _receive(self, session: int, jobs: list[Assignment], voided: Iterable[int]) -> None:
        self._void(voided)
        self.session.received(session, jobs)
        for job in jobs:
            if self.session.assignment(job.lease):
                self.received[job.lease] = job.job_id
                self._unfinished.add(job.lease)
        self._unfinished = {n for n in self._unfinished if self.session.assignment(n)}
        if len(self._unfinished) > self._stated:
            promise = f"no more than the credit: {self._stated} < {sorted(self._unfinished)}"
            raise self.world.break_promise(promise, self.name)
        self._start()
        self._flush()  # while draining, what arrives late is handed back

    # ---- running ----------------------------------------------------------------------

    def _start(self) -> None:
        for job in self.session.to_start():
            if job.lease in self._void_leases:
                raise self.world.break_promise("a void lease is not started", job.job_id)
            seconds = self.world.rng.uniform(*RUN_SECONDS[job.job_type])
            self.after(seconds, partial(self._ran, job, seconds))

    def _ran(self, job: Assignment, seconds: float) -> None:
        if self.session.assignment(job.lease) is None:
            return  # it was stopped
        if job.job_type == "killer":
            self.world.exercised["killed by a job"] += 1
            self.crash()
            return
        self._unfinished.discard(job.lease)
        self.session.finished(self._outcome(job, seconds), self.world.now)
        self._start()
        self._flush()

    def _outcome(self, job: Assignment, seconds: float) -> Report:
        flaked = job.job_type == "flaky" and self.world.chance(0.5, "flaky job failed")
        if flaked or job.job_type == "failing":
            return Report(job.job_id, job.lease, error="it failed", run_seconds=seconds)
        author = json.dumps([self.name, self.session.incarnation, job.lease])
        return Report(job.job_id, job.lease, result=author, run_seconds=seconds)

    def _void(self, leases: Iterable[int]) -> None:
        leases = tuple(leases)
        self._void_leases.update(leases)
        for lease in self.session.voided(leases):
            if self.world.chance(0.5, "stopped a run"):
                self.after(self.world.rng.uniform(0, 0.5), partial(self._stopped, lease))
        self._start()

    def _stopped(self, lease: int) -> None:
        self.session.stopped(lease)
        self._start()

    # ---- reporting --------------------------------------------------------------------

    def _flush(self) -> bool:
        reports = self.session.reports(self.world.now)
        if reports is not None:
            self._state(reports.credit)
            self._call(lambda m, c: m.report(reports, c), partial(self._reported, reports))
        return reports is not None

    def _reported(self, reports: Reports, answer: Any) -> None:
        if answer is None:
            self.session.unanswered()
            self.after(self.backoff(), self._flush)
        else:
            self.session.answered(answer[0])
            self.session.told(reports.stopped)
            self._void(answer[1])
            self._flush()
        if self._opening:
            self._open()

    def _beat(self) -> None:
        beat = self.session.beat(self.world.now)
        self._state(beat.credit)
        done = partial(self._beaten, beat)
        Call(self, lambda m, c: m.heartbeat(beat, c), done, (self.name, self.session.incarnation))
        self.after(HEARTBEAT, self._beat)

    def _beaten(self, beat: Beat, answer: BeatAnswer | Refusal | None) -> None:
        if isinstance(answer, Refusal):
            self.crash()
        elif answer is not None:
            self.session.told(beat.stopped)
            self._void(answer.voided)
            if self.session.must_reopen(beat, answer):
                self._reopen(beat.session)

    # ---- ending -----------------------------------------------------------------------

    def leave(self) -> None:
        """Drain, hand back what has not started, say goodbye."""
        if not self.session.draining:
            self.session.drain()
            self._flush()
            self._goodbye_when_idle()

    def _goodbye_when_idle(self) -> None:
        if not self.session.idle:
            self.after(0.5, self._goodbye_when_idle)
            return
        beat = self.session.beat(self.world.now, leaving=True)
        self._call(lambda m, c: m.heartbeat(beat, c), self._said_goodbye)

    def _said_goodbye(self, answer: Any) -> None:
        if answer is None:
            self._goodbye_when_idle()
        else:
            self.crash()

    def crash(self) -> None:
        """Stop dead; somebody may start the next incarnation."""
        self.alive = False
        self._ended(self)
        if self._stream is not None:
            self._stream.cut()


class SimClient(Process):
    """A client that submits, cancels, watches, and writes down what it was told."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.session = ClientSession(name)
        self.told: dict[int, list[News]] = {}  # client_seq -> all news
        self.cancelled: set[str] = set()  # jobs that the master said are cancelled
        self._to_cancel: set[int] = set()
        self._last = 0
        self._watch()

    @property
    def content(self) -> bool:
        """Whether every submit was refused, or acknowledged and ended."""
        return all(any(isinstance(n, Ended) for n in news) for news in self._accepted())

    def _accepted(self) -> Iterable[list[News]]:
        numbers = range(1, self._last + 1)
        news = (self.told.get(number, []) for number in numbers)
        return [n for n in news if not (n and type(n[0]).__name__ == "Refused")]

    # ---- submitting -------------------------------------------------------------------

    def submit(self, spec: JobSpec, *, cancel: bool) -> None:
        """Submit a job, and perhaps cancel it after it was acknowledged."""
        self._last = self.session.submit(spec, spec.payload)
        if cancel:
            self._to_cancel.add(self._last)
        self._send()

    def _send(self) -> None:
        if batch := self.session.next_batch():
            Call(self, lambda m, c: m.submit(batch, self.name, c), self._answered)

    def _answered(self, outcomes: list[Accepted | Refusal] | None) -> None:
        if outcomes is None:
            self.session.broken()
            self.after(self.backoff(), self._send)
            return
        news = self.session.answered(outcomes)
        self._note(news)
        if any(isinstance(outcome, Accepted) and outcome.duplicate for outcome in outcomes):
            self._poll()
        self._send()

    def _note(self, news: Iterable[News]) -> None:
        for item in news:
            self.told.setdefault(item.client_seq, []).append(item)
            if isinstance(item, Acknowledged) and item.client_seq in self._to_cancel:
                delay = self.world.rng.expovariate(1.5)
                self.after(delay, partial(self._cancel, item.job_id))

    def _cancel(self, job_id: str) -> None:
        Call(self, lambda m, c: m.cancel(job_id, c), partial(self._cancel_answered, job_id))

    def _cancel_answered(self, job_id: str, answer: Any) -> None:
        if answer is None:
            self.after(self.backoff(), partial(self._cancel, job_id))
        elif answer == "cancelled":
            self.cancelled.add(job_id)

    # ---- watching ---------------------------------------------------------------------

    def _watch(self) -> None:
        trimmed = self.world.chance(self.world.weather.lost, "history trimmed")
        from_seq = 0 if trimmed else self.session.next_seq
        Stream(
            self,
            lambda master, stream, call: master.watch(self.name, from_seq, stream, call),
            self._batch,
            lambda _: self.after(self.backoff(), self._watch),
        )

    def _batch(self, events: list[Event], next_seq: int, missed: bool) -> None:
        if missed:
            self.session.lost_place()
        self._note(self.session.seen(events, next_seq))
        if missed:
            self._lookup()
            self._poll()

    # ---- asking -----------------------------------------------------------------------

    def _lookup(self) -> None:
        self.world.exercised["lookup"] += 1
        if job_ids := self.session.lookup():
            Call(self, lambda m, c: m.lookup(job_ids, c), self._found)

    def _found(self, ends: list[Ended] | None) -> None:
        if ends is None:
            self.after(self.backoff(), self._lookup)
        else:
            self._note(self.session.found(ends))

    def _poll(self) -> None:
        if self.session.following:
            self._lookup()
            self.after(POLL, self._poll)
