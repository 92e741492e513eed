"""Known-wrong versions of the core, each caught by the simulator within 200 seeds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nucleus.core.attempts import Attempts
from nucleus.core.checks import refuse_report
from nucleus.core.job import Job
from nucleus.core.ledger import Ledger
from nucleus.core.lifecycle import Status
from nucleus.core.outbox import Abandoned, Outbox
from nucleus.core.ready import ReadyQueue
from nucleus.core.refusals import Refusal
from nucleus.core.snapshot import Changes, Snapshot
from nucleus.core.worker import Beat, BeatAnswer, Hello, Report, Reports, Worker
from nucleus.core.worker_session import WorkerSession
from nucleus.sim import PromiseBroken, run_seeds
from nucleus.sim.master import Held, Rules

SEEDS = range(200)

Patch = pytest.MonkeyPatch


def no_lease_check(patch: Patch) -> Rules:
    def accept(job: Job | None, by: Reports, report: Report) -> Refusal | None:
        running = job is not None and job.status is Status.RUNNING
        return None if running else refuse_report(job, by, report)

    patch.setattr("nucleus.core.ledger.refuse_report", accept)
    return Rules()


def requeue_dropped(patch: Patch) -> Rules:
    def requeue_nothing(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(Attempts, "requeue", requeue_nothing)
    return Rules()


def answers_before_the_commit(_: Patch) -> Rules:
    class Hasty(Outbox[Held]):
        def hold(self, effect: Held) -> None:
            effect.send()

    return Rules(outbox=Hasty)


def every_failed_commit_is_called_definite(_: Patch) -> Rules:
    class Sure(Outbox[Any]):
        def abandon(self, *, commit_issued: bool) -> list[Abandoned[Any]]:
            return super().abandon(commit_issued=False)

    return Rules(outbox=Sure)


def keys_forgotten_at_restart(_: Patch) -> Rules:
    class Forgetful(Ledger):
        def _load(self, snapshot: Snapshot) -> None:
            super()._load(snapshot)
            self._keys._windows.clear()

    return Rules(ledger=Forgetful)


def keys_of_ended_jobs_forgotten_at_restart(_: Patch) -> Rules:
    class Forgetful(Ledger):
        def _load(self, snapshot: Snapshot) -> None:
            super()._load(replace(snapshot, keys=()))

    return Rules(ledger=Forgetful)


def heartbeats_do_not_refresh(_: Patch) -> Rules:
    class Deaf(Ledger):
        def heartbeat(self, beat: Beat, now: float) -> BeatAnswer | Refusal:
            worker = self.roster.find(beat.worker, beat.incarnation)
            before = worker.last_heartbeat if worker else 0.0
            answer = super().heartbeat(beat, now)
            if worker:
                worker.last_heartbeat = before
            return answer

    return Rules(ledger=Deaf)


def a_frozen_master_buries_all(_: Patch) -> Rules:
    class Undertaker(Ledger):
        def tick(self, now: float) -> None:
            self._last_tick = now
            super().tick(now)

    return Rules(ledger=Undertaker)


def a_new_master_buries_all(_: Patch) -> Rules:
    class Undertaker(Ledger):
        def serve(self, now: float) -> None:
            super().serve(now)
            self._allowance = 0.0
            for worker in self.roster:
                worker.last_heartbeat = now - 9.0

    return Rules(ledger=Undertaker)


def credit_ignored(patch: Patch) -> Rules:
    patch.setattr(Worker, "has_room", property(lambda worker: worker.connected))
    return Rules()


def voided_leases_do_not_count(patch: Patch) -> Rules:
    patch.setattr(Worker, "held", property(lambda worker: len(worker.leases)))
    return Rules()


def undelivered_leases_stay(_: Patch) -> Rules:
    class Trusting(Ledger):
        def _reconcile(self, worker: Worker, hello: Hello, now: float) -> tuple[int, ...]:
            return super()._reconcile(
                worker, replace(hello, leases=(*hello.leases, *worker.leases)), now
            )

    return Rules(ledger=Trusting)


def loses_as_if_it_had(slots: int) -> Rules:
    """As many attempts as the lost worker has slots are charged, so a wrong count charges wrong."""

    class Miscounting(Ledger):
        def _lose(self, worker: Worker, reason: str, now: float) -> None:
            worker.slots, right = slots, worker.slots
            super()._lose(worker, reason, now)
            worker.slots = right

    return Rules(ledger=Miscounting)


def everything_is_charged(_: Patch) -> Rules:
    return loses_as_if_it_had(1000)


def nothing_is_charged(_: Patch) -> Rules:
    return loses_as_if_it_had(0)


def cancelled_jobs_run_on(_: Patch) -> Rules:
    class Stubborn(Ledger):
        def cancel(self, job_id: str, now: float) -> Refusal | None:
            job = self.find(job_id)
            if job is not None and job.status is Status.RUNNING:
                return None
            return super().cancel(job_id, now)

    return Rules(ledger=Stubborn)


def ended_jobs_leave_before_their_commit(_: Patch) -> Rules:
    class Careless(Outbox[Any]):
        def begin(self, now: float) -> Changes | None:
            batch = super().begin(now)
            if batch is not None:
                self.ledger.forget_ended(batch)
            return batch

    return Rules(outbox=Careless)


def a_voided_lease_is_taken_when_it_arrives_late(patch: Patch) -> Rules:
    original = WorkerSession.voided

    def voided(session: WorkerSession, leases: Any) -> list[int]:
        answer = original(session, leases)
        session._void_early.clear()
        return answer

    patch.setattr(WorkerSession, "voided", voided)
    return Rules()


def requeued_jobs_wait_like_new_ones(patch: Patch) -> Rules:
    original = ReadyQueue._enqueue

    def enqueue(queue: ReadyQueue, job: Job) -> None:
        front, job.front = job.front, False
        original(queue, job)
        job.front = front

    patch.setattr(ReadyQueue, "_enqueue", enqueue)
    return Rules()


MUTANTS = (
    no_lease_check,
    requeue_dropped,
    answers_before_the_commit,
    every_failed_commit_is_called_definite,
    keys_forgotten_at_restart,
    keys_of_ended_jobs_forgotten_at_restart,
    heartbeats_do_not_refresh,
    a_frozen_master_buries_all,
    a_new_master_buries_all,
    credit_ignored,
    voided_leases_do_not_count,
    undelivered_leases_stay,
    everything_is_charged,
    nothing_is_charged,
    cancelled_jobs_run_on,
    ended_jobs_leave_before_their_commit,
    a_voided_lease_is_taken_when_it_arrives_late,
    requeued_jobs_wait_like_new_ones,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_core_is_caught(
    mutant: Callable[[Patch], Rules], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = mutant(monkeypatch)
    with pytest.raises(PromiseBroken):
        run_seeds(SEEDS, rules)
