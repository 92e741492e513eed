"""The simulated master: the real ledger, outbox and store, in a shell that can crash.

It does what the real shell does. A command runs against the ledger at once, its answer waits
in the outbox; a commit takes time, so batches form; after the commit answers, leases and
events leave. Two traps that the real shell has to avoid as well:

- a lease belongs to the stream that was open when it was *given*: a session opened while the
  commit was under way counts it as undelivered, so it must not travel on the newer stream;
- the tick takes its turn behind the commands that arrived while the master stood still.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nucleus.core.errors import Fenced
from nucleus.core.events import Event, JobCancelled, JobCompleted, JobFailed, JobLeased
from nucleus.core.job import Order, job_from_row
from nucleus.core.keys import Accepted
from nucleus.core.ledger import TICK, Ledger
from nucleus.core.limits import Limits
from nucleus.core.news import Ended
from nucleus.core.outbox import Outbox
from nucleus.core.refusals import Refusal
from nucleus.core.snapshot import Changes
from nucleus.core.worker import Assignment, Beat, Hello, Reports
from nucleus.sim.world import Action, Call, Process, Stream, World
from nucleus.stores.memory import MemoryStore

FROZEN_AFTER = Limits().frozen_after


@dataclass(frozen=True, slots=True)
class Rules:
    """The classes under test; a test puts a wrong one in to see it caught."""

    ledger: type[Ledger] = Ledger
    outbox: type[Outbox[Any]] = Outbox


@dataclass(frozen=True, slots=True)
class Held:
    """An effect: what to do once the command is durable."""

    call: Call
    send: Action
    created: tuple[str, ...] = ()  # jobs that the command made


class Catalog:
    """Knows no job type but what workers offer."""

    def names(self) -> tuple[str, ...]:
        """No names."""
        return ()

    def check(self, job_type: str, payload: str) -> None:
        """Every payload is fine."""

    def check_result(self, result: str) -> None:
        """Every result is fine."""


class Master(Process):
    """One life of a master on the world's disk."""

    def __init__(
        self, world: World, rules: Rules, limits: Limits, died: Callable[["Master"], None]
    ) -> None:
        super().__init__(world, "master")
        self._store = MemoryStore(world.disk)
        self.ledger = rules.ledger(self._store.load(), self._store, Catalog(), limits, world.now)
        self._outbox = rules.outbox(self.ledger)
        self._died = died
        self.streams: dict[str, Stream] = {}  # worker -> its GetJobs
        self._watchers: dict[Stream, str] = {}  # WatchEvents -> client
        self.ledger.serve(world.now)
        world.fresh.append(world.now)
        self._pump()
        self.after(TICK, self._tick_in_turn)

    # ---- commands ---------------------------------------------------------------------

    def receive(self, call: Call) -> None:
        """A request arrived; a frozen master reads it on waking up."""
        if call.heartbeat_of and not call.settled:
            self.world.heard.setdefault(call.heartbeat_of, []).append(self.world.now)
        self.perform(lambda: self._run(call))

    def _run(self, call: Call) -> None:
        if not (call.settled and self.world.chance(0.5, "given up before it ran")):
            call.command(self, call)
            self._pump()

    def reply(self, call: Call, value: Any) -> None:
        """Answer ``call`` after the commit."""
        self._outbox.hold(Held(call, lambda: call.answer(value)))

    def submit(self, orders: Iterable[Order], client: str, call: Call) -> None:
        """``SendJobs``."""
        now = self.world.now
        outcomes = [o for order in orders for o in self.ledger.submit_order(order, client, now)]
        made = [o.job_id for o in outcomes if isinstance(o, Accepted) and not o.duplicate]
        self._outbox.hold(Held(call, lambda: call.answer(outcomes), tuple(made)))

    def cancel(self, job_id: str, call: Call) -> None:
        """``CancelJob``."""
        self.reply(call, self.ledger.cancel(job_id, self.world.now) or "cancelled")

    def lookup(self, job_ids: Iterable[str], call: Call) -> None:
        """``LookupJobs``: those that have ended."""
        jobs = [job for job_id in job_ids if (job := self.ledger.find(job_id)) and job.ended]
        self.reply(call, [Ended(0, job.id, job.status, job.result, job.error) for job in jobs])

    def heartbeat(self, beat: Beat, call: Call) -> None:
        """``Heartbeat``."""
        self.reply(call, self.ledger.heartbeat(beat, self.world.now))

    def report(self, reports: Reports, call: Call) -> None:
        """``SendResults``."""
        self.reply(call, self.ledger.report(reports, self.world.now))

    def get_jobs(self, hello: Hello, stream: Stream, call: Call) -> None:
        """``GetJobs``: the first batch says which leases are void."""
        answer = self.ledger.open_session(hello, self.world.now)
        if isinstance(answer, Refusal):
            self.reply(call, answer)
            return
        close = partial(self.ledger.close_session, hello.worker, hello.incarnation, hello.session)
        stream.closed = lambda: self.perform(close)
        self.streams[hello.worker] = stream
        self._outbox.hold(Held(call, lambda: stream.send((), answer)))

    def watch(self, client: str, from_seq: int, stream: Stream, call: Call) -> None:
        """``WatchEvents``: the history first, then what is committed from now on."""
        self._outbox.hold(Held(call, lambda: self._watch(client, from_seq, stream)))

    def _watch(self, client: str, from_seq: int, stream: Stream) -> None:
        self._watchers[stream] = client
        events = self._store.history(from_seq, limit=100_000) if from_seq else []
        stream.send(_ends(events, client), self.world.disk.next_seq, from_seq == 0)

    # ---- time -------------------------------------------------------------------------

    def _tick_in_turn(self) -> None:
        self.after(0.0, self._tick)  # behind whatever waits at this moment

    def _tick(self) -> None:
        self.ledger.tick(self.world.now)
        self._pump()
        self.after(TICK, self._tick_in_turn)

    def freeze(self, seconds: float) -> None:
        """Stand still; the workers are owed a fresh allowance afterwards."""
        super().freeze(seconds)
        if seconds > FROZEN_AFTER:
            self.world.after(seconds, lambda: self.perform(self._woke))

    def _woke(self) -> None:
        if self.world.server is self:  # and not another, that took over in the meantime
            self.world.fresh.append(self.world.now)

    # ---- commits ----------------------------------------------------------------------

    def _pump(self) -> None:
        batch = self._outbox.begin(self.world.now) if self.alive else None
        if batch is None:
            return
        counts = self.ledger.counts()
        if sum(counts.values()) != self.ledger.totals.submitted:
            raise self.world.break_promise(f"submitted = queued + running + ended: {counts}")
        leases = self._leases(batch)
        if not batch.empty:
            self.world.after(self._disk_time(), lambda: self._write(batch, leases))
        elif self._unfenced():
            self._committed(batch, leases)

    def _leases(self, batch: Changes) -> list[tuple[Stream, list[Assignment]]]:
        jobs = {row[0]: row for row in batch.jobs}
        leases: dict[Stream, list[Assignment]] = {}
        for event in batch.events:
            if isinstance(event, JobLeased):
                job = job_from_row(jobs[event.job_id])
                given = Assignment(
                    job.id, event.seq, job.job_type, job.payload, job.timeout, job.attempts + 1
                )
                leases.setdefault(self.streams[event.worker], []).append(given)
        return list(leases.items())

    def _disk_time(self) -> float:
        return self.world.rng.uniform(0.0005, 0.02)

    def _unfenced(self) -> bool:
        try:
            self._store.check_epoch()
        except Fenced:
            self._fenced()
        return self.alive

    def _write(self, batch: Changes, leases: list[tuple[Stream, list[Assignment]]]) -> None:
        """What the disk does, also while the master is frozen."""
        if not self.alive:
            return
        rate, then = self.world.weather.commit_fails, self._disk_time()
        if self.world.chance(rate, "commit failed before COMMIT"):
            self.after(then, lambda: self._fail(commit_issued=False))
            return
        failed = self.world.chance(rate, "commit failed after COMMIT")
        try:
            if not (failed and self.world.chance(0.5, "commit did not reach the disk")):
                self._store.stage(batch)
                self._store.commit()
        except Fenced:
            self._fenced()
            return
        if failed:
            self.after(then, lambda: self._fail(commit_issued=True))
        else:
            self.after(then, lambda: self._committed(batch, leases))

    def _committed(self, batch: Changes, leases: list[tuple[Stream, list[Assignment]]]) -> None:
        for stream, client in self._watchers.items():
            if events := _ends(batch.events, client):
                stream.send(events, batch.next_seq, False)
        for held in self._outbox.committed():
            held.send()
        for worker_stream, jobs in leases:
            worker_stream.send(jobs, ())
        if not batch.empty:
            self._pump()

    def _fail(self, *, commit_issued: bool) -> None:
        """Fail-stop: throw the ledger away, and begin again from the disk."""
        for lost in self._outbox.abandon(commit_issued=commit_issued):
            kept = self.world.server is self and any(map(self._store.find, lost.effect.created))
            if lost.definite and kept:
                raise self.world.break_promise("a definite error means that nothing happened")
            lost.effect.call.answer(None)
        self.die()
        self._died(self)

    # ---- dying ------------------------------------------------------------------------

    def _fenced(self) -> None:
        self.world.exercised["fenced master"] += 1
        self.die()

    def die(self) -> None:
        """Crash: what is not on the disk is gone."""
        self.alive = False
        for stream in (*self.streams.values(), *self._watchers):
            stream.cut()


def _ends(events: Iterable[Event], client: str) -> list[Event]:
    ends = (JobCompleted, JobFailed, JobCancelled)
    return [event for event in events if isinstance(event, ends) and event.client == client]
