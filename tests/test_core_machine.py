"""Random commands, and everything that must be true after each of them.

Hypothesis drives a ledger through submits, sessions, heartbeats, reports (right, wrong and
repeated), cancels, retries, the passing of time, commits that succeed or fail, and
restarts. After every step the invariants of ``tests.core_support`` hold, and so does what
the outside world remembers: nothing acknowledged disappears, a job has at most one accepted
result, and what has ended never changes. In the end every acknowledged job ends.
"""

import sys
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nucleus.core.events import JobCompleted, JobLeased
from nucleus.core.job import job_from_row
from nucleus.core.keys import IDLE, Accepted
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.snapshot import Changes
from nucleus.core.worker import MAX_WINDOW, Credit, Report
from tests.core_support import START, Queue, all_jobs, check_invariants, keep

WORKERS = st.sampled_from(["a", "b", "c"])
TYPES = st.sampled_from(["Echo", "Echo", "Sleep"])
PLACES = st.integers(0, 1_000_000)  # where in a list, modulo its length
SOME = st.sets(st.integers(0, 7), max_size=4)  # of the latest leases
OUTCOMES: dict[str, dict[str, Any]] = {
    "result": {"result": "1"},
    "error": {"error": "boom"},
    "released": {"released": True},
    "nonsense": {"result": "not JSON"},
}


class QueueMachine(RuleBasedStateMachine):
    """A master, three workers and some clients, none of which can be trusted."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue()
        self.batch: Changes | None = None
        self.acknowledged: set[str] = set()
        self.by_key: dict[tuple[str, int | str], str] = {}  # acknowledged keys
        self.held_back: dict[str, tuple[str, int | str] | None] = {}  # effect -> its key
        self.made: set[str] = set()  # effects of submits that were no repeats
        self.reports: list[tuple[str, str, Report]] = []  # accepted: worker, incarnation
        self.ended: dict[str, tuple[Any, ...]] = {}  # rows

    # ---- clients ----------------------------------------------------------------------

    @rule(
        job_type=TYPES,
        priority=st.integers(-1, 1),
        delay=st.sampled_from([0.0, 0.0, 0.5, 20.0]),
        max_attempts=st.integers(1, 3),
    )
    def submit(self, **fields: Any) -> None:
        self._submitted(self.queue.offer(**fields), None)

    @rule(key=st.sampled_from(["k", "l"]), payload=st.sampled_from(["1", "1", "2"]))
    def submit_with_a_users_key(self, key: str, payload: str) -> None:
        self._submitted(self.queue.offer(payload, key=key), ("", key))

    @rule(client=st.sampled_from(["x", "y"]), seq=st.integers(1, 4))
    def submit_with_a_clients_number(self, client: str, seq: int) -> None:
        self._submitted(self.queue.offer(client=client, client_seq=seq), (client, seq))

    @rule(place=PLACES)
    def retry(self, place: int) -> None:
        if job_id := self._some_job(place):
            ended = all_jobs(self.queue)[job_id].ended
            outcome = self.queue.retry(job_id)
            assert isinstance(outcome, Accepted) == ended
            self._submitted(outcome, None)

    def _submitted(self, outcome: Accepted | Refusal, key: tuple[str, int | str] | None) -> None:
        """Hold back the acknowledgement, as a master does."""
        if not isinstance(outcome, Accepted):
            return
        if key in self.by_key:  # promise 8
            assert outcome == Accepted(self.by_key[key], duplicate=True)
        self.held_back[outcome.job_id] = key
        if not outcome.duplicate:
            self.made.add(outcome.job_id)
        self.queue.outbox.hold(outcome.job_id)

    @rule(place=PLACES)
    def cancel(self, place: int) -> None:
        if job_id := self._some_job(place):
            self.queue.cancel(job_id)
            assert all_jobs(self.queue)[job_id].ended

    def _some_job(self, place: int) -> str | None:
        ids = sorted(all_jobs(self.queue))
        return ids[place % len(ids)] if ids else None

    # ---- workers ----------------------------------------------------------------------

    @rule(
        name=WORKERS,
        slots=st.integers(1, 3),
        ahead=st.integers(-1, 3),
        some=SOME,
        both=st.booleans(),
    )
    def open_a_session(self, name: str, slots: int, ahead: int, some: set[int], both: bool) -> None:
        types = ("Echo", "Sleep") if both else ("Echo",)
        self.queue.join(name, slots, slots + ahead, self._leases(some), job_types=types)

    @rule(name=WORKERS, slots=st.integers(1, 3), some=SOME)
    def start_anew(self, name: str, slots: int, some: set[int]) -> None:
        number = sum(known == name for known, _ in self.queue.sessions) + 1
        self.queue.join(name, slots, leases=self._leases(some), incarnation=f"i{number}")

    @rule(name=WORKERS, session=st.integers(1, 3))
    def open_an_old_session(self, name: str, session: int) -> None:
        incarnation = self.queue.incarnations.get(name, "i1")
        worker = self.queue.ledger.roster.find(name, incarnation)
        if worker is not None and session <= worker.session:
            assert isinstance(self.queue.hello(name, session=session), Refusal)

    @rule(name=WORKERS)
    def break_a_stream(self, name: str) -> None:
        if name in self.queue.incarnations:
            self.queue.crash_stream(name)

    @rule(
        name=WORKERS,
        window=st.integers(0, 5),
        age=st.integers(0, 3),
        session=st.sampled_from([0, 0, 0, 1, 99]),
        some=SOME,
    )
    def beat(self, name: str, window: int, age: int, session: int, some: set[int]) -> None:
        credit = Credit(window, self.queue.credit(0).seq - age)
        stopped = tuple(self._leases(some))
        self.queue.beat(name, session=session, credit=credit, stopped=stopped)

    @rule(name=WORKERS)
    def leave(self, name: str) -> None:
        self.queue.beat(name, leaving=True)

    @rule(place=st.integers(0, 7), outcome=st.sampled_from(sorted(OUTCOMES)))
    def report(self, place: int, outcome: str) -> None:
        """The worker that was given a lease reports it, whether or not it still is valid."""
        if lease := self._lease(place):
            report = Report(lease.job_id, lease.seq, **OUTCOMES[outcome])
            valid = all_jobs(self.queue)[lease.job_id].lease == lease.seq
            [reason] = self.queue.report(lease.worker, report, incarnation=lease.incarnation)
            if outcome == "nonsense":
                assert reason is not None or not valid
            elif valid:
                assert reason is None
                self.reports.append((lease.worker, lease.incarnation, report))

    @rule(place=st.integers(0, 7), name=WORKERS, outcome=st.sampled_from(["result", "error"]))
    def report_what_another_worker_holds(self, place: int, name: str, outcome: str) -> None:
        lease = self._lease(place)
        if lease and lease.worker != name:
            valid = all_jobs(self.queue)[lease.job_id].lease == lease.seq
            report = Report(lease.job_id, lease.seq, **OUTCOMES[outcome])
            [reason] = self.queue.report(name, report)
            assert not valid or reason is Reason.WRONG_WORKER

    @rule(place=st.integers(0, 7), name=WORKERS, job=PLACES)
    def report_a_lease_for_another_job(self, place: int, name: str, job: int) -> None:
        lease, job_id = self._lease(place), self._some_job(job)
        if lease and job_id and job_id != lease.job_id:
            [reason] = self.queue.report(name, Report(job_id, lease.seq, result="1"))
            assert reason is not None

    @precondition(lambda self: self.reports)
    @rule(place=PLACES)
    def report_again(self, place: int) -> None:
        """A repeat makes no event, whatever it is answered."""
        name, incarnation, report = self.reports[place % len(self.reports)]
        totals = self.queue.ledger.totals.copy()
        [reason] = self.queue.report(name, report, incarnation=incarnation)
        if reason is None:
            assert self.queue.ledger.totals == totals

    def _lease(self, place: int) -> JobLeased | None:
        """One of the latest leases that have left the master."""
        latest = self.queue.happened(JobLeased)[-8:]
        lease = latest[place] if place < len(latest) else None
        assert lease is None or isinstance(lease, JobLeased)
        return lease

    def _leases(self, places: set[int]) -> list[int]:
        return [lease.seq for place in sorted(places) if (lease := self._lease(place))]

    # ---- the master -------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 2.5, 11.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.queue.jump(seconds)

    @precondition(lambda self: self.queue.now < START + IDLE / 2)  # clients' keys still hold
    @rule()
    def let_minutes_pass(self) -> None:
        self.queue.jump(400.0)

    @rule(name=WORKERS)
    def let_all_but_one_fall_silent(self, name: str) -> None:
        self.queue.wait(10.25, beating=[name])

    @precondition(lambda self: self.batch is None)
    @rule()
    def begin(self) -> None:
        self.batch = self.queue.begin()

    @precondition(lambda self: self.batch is not None)
    @rule()
    def commit(self) -> None:
        assert self.batch is not None
        for job_id in self.queue.commit(self.batch):
            self.acknowledged.add(job_id)
            self.made.discard(job_id)
            if key := self.held_back.get(job_id):
                self.by_key[key] = job_id
        self.batch = None

    @precondition(lambda self: self.batch is None)
    @rule()
    def begin_and_commit(self) -> None:
        self.begin()
        self.commit()

    @precondition(lambda self: self.batch is not None)
    @rule(issued=st.booleans(), durable=st.booleans())
    def fail_to_commit(self, issued: bool, durable: bool) -> None:
        """The ledger is thrown away; what was in flight may be durable if COMMIT was issued."""
        assert self.batch is not None
        if issued and durable:
            keep(self.queue.store, self.batch)
            self.queue.history += self.batch.events
        for lost in self.queue.outbox.abandon(commit_issued=issued):
            if lost.definite and lost.effect in self.made:
                assert lost.effect not in self.queue.rows()
        self.restart(0.0)

    @rule(set_back=st.sampled_from([0.0, 0.0, 30.0]))
    def restart(self, set_back: float) -> None:
        self.queue.restart(set_back=set_back)
        self.batch = None
        self.held_back.clear()
        self.made.clear()
        # What was accepted but not committed did not happen.
        kept = {job.reported for job in all_jobs(self.queue).values()}
        self.reports = [entry for entry in self.reports if entry[2].lease in kept]

    # ---- what is always true ----------------------------------------------------------

    @invariant()
    def the_invariants_hold(self) -> None:
        check_invariants(self.queue)

    @invariant()
    def promise_1_nothing_acknowledged_disappears(self) -> None:
        assert self.acknowledged <= self.queue.rows().keys()

    @invariant()
    def promise_2_a_job_has_at_most_one_accepted_result(self) -> None:
        completed = [e.job_id for e in self.queue.happened(JobCompleted)]  # type: ignore[attr-defined] # it has one
        assert len(completed) == len(set(completed))

    @invariant()
    def what_has_ended_never_changes(self) -> None:
        rows = self.queue.rows()
        assert all(rows[job_id] == row for job_id, row in self.ended.items())
        self.ended |= {job_id: row for job_id, row in rows.items() if job_from_row(row).ended}

    def teardown(self) -> None:
        """Promise 1: with a worker for every type, every acknowledged job ends."""
        if sys.exc_info()[0] is not None:
            return  # a step has failed already, and that is the news
        queue = self.queue
        if self.batch is not None:
            self.commit()
        queue.wait(10.25)
        queue.join("last", MAX_WINDOW, job_types=("Echo", "Sleep"))
        for _ in range(2):
            queue.clock.advance(60)
            queue.settle()
            for job_id in queue.held("last"):
                queue.finish(job_id)
        queue.settle()
        check_invariants(queue)
        assert len(self.acknowledged - self.ended_now()) == 0
        assert queue.ledger.counts()["QUEUED"] == queue.ledger.counts()["RUNNING"] == 0

    def ended_now(self) -> set[str]:
        rows = self.queue.rows()
        return {job_id for job_id, row in rows.items() if job_from_row(row).ended}


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=200, stateful_step_count=80)
