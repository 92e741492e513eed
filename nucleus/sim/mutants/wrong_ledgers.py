"""Mutants of the rules: the ledger, and the parts that it is made of."""

from dataclasses import replace
from math import inf
from typing import Any

from nucleus.core import attempts, ready
from nucleus.core.attempts import Attempts
from nucleus.core.checks import refuse_report
from nucleus.core.events import JobCancelled, JobRequeued, ResultRejected
from nucleus.core.job import Job, Order
from nucleus.core.journal import Journal
from nucleus.core.keys import Accepted, Keys
from nucleus.core.ledger import Ledger
from nucleus.core.lifecycle import Status
from nucleus.core.limits import Limits
from nucleus.core.ready import ReadyQueue
from nucleus.core.refusals import Refusal
from nucleus.core.rules import OURS, Fate, after_failure, gives_up
from nucleus.core.snapshot import Snapshot
from nucleus.core.worker import Beat, Hello, Report, Reports, Worker, WorkerStatus
from nucleus.sim.mutants.registry import Patch, mutant

# ---- results and leases ---------------------------------------------------------------


@mutant("results-come-from-the-holder")
def no_lease_check(patch: Patch) -> None:
    """A result for a running job is a result, whoever sends it."""
    _go_by(patch, refuse_report=_refuse_unless_running)


@mutant("only-the-current-lease-counts")
def the_report_names_the_lease(patch: Patch) -> None:
    """A report says itself under which lease it comes, so that is the current one."""
    _go_by(patch, refuse_report=_refuse_unless_running)

    @patch.method(Attempts)
    def accept(real: Any, attempts: Attempts, job: Job, report: Report, now: float) -> None:
        job.lease = report.lease
        real(attempts, job, report, now)


def _go_by(patch: Patch, **rules: Any) -> None:
    """Have every ledger go by these rules instead of ours."""

    @patch.method(Ledger)
    def __init__(real: Any, ledger: Ledger, *args: Any) -> None:
        real(ledger, *args[:5], replace(OURS, **rules))


def _refuse_unless_running(job: Job | None, by: Reports, report: Report) -> Refusal | None:
    running = job is not None and job.status is Status.RUNNING
    return None if running else refuse_report(job, by, report)


@mutant("refusals-are-counted")
def refused_results_are_not_worth_a_word(patch: Patch) -> None:
    """A result that is refused changes nothing, so nothing happened."""

    @patch.method(Journal)
    def emit(real: Any, journal: Journal, event: Any) -> None:
        if not isinstance(event, ResultRejected):
            real(journal, event)


@mutant("moves-are-legal")
def a_late_result_is_taken_all_the_same(patch: Patch) -> None:
    """A job that was re-queued needs no second run when its first result arrives after all."""
    _accept_from(patch, Status.QUEUED)


@mutant("moves-are-legal")
def a_result_after_a_cancel_is_taken(patch: Patch) -> None:
    """The work is done, so it is better to have a result than a cancelled job."""
    _accept_from(patch, Status.CANCELLED)


def _accept_from(patch: Patch, status: Status) -> None:
    @patch.method(Ledger)
    def _report(real: Any, ledger: Ledger, by: Reports, report: Report, now: float) -> Any:
        job = ledger.find(report.job_id)
        if job is not None and job.status is status and job.worker == by.worker:
            job.status, job.lease = Status.RUNNING, report.lease
            job.incarnation = by.incarnation
        return real(ledger, by, report, now)


@mutant("numbers-increase")
def numbers_are_used_again_after_a_restart(patch: Patch) -> None:
    """Where the numbers begin again after a restart does not matter much."""

    @patch.method(Journal)
    def __init__(real: Any, journal: Journal, next_seq: int, totals: Any) -> None:
        real(journal, max(1, next_seq - 1), totals)


# ---- losing workers -------------------------------------------------------------------


@mutant("the-living-are-not-buried")
def heartbeats_do_not_refresh(patch: Patch) -> None:
    """A worker lives for ten seconds after it opened its session."""

    @patch.method(Ledger)
    def heartbeat(real: Any, ledger: Ledger, beat: Beat, now: float) -> Any:
        worker = ledger.roster.find(beat.worker, beat.incarnation)
        before = worker.last_heartbeat if worker else 0.0
        answer = real(ledger, beat, now)
        if worker:
            worker.last_heartbeat = before
        return answer


@mutant("silence-counts-while-a-master-serves")
def a_frozen_master_buries_all(patch: Patch) -> None:
    """Time that a master spent standing still is silence like any other."""

    @patch.method(Ledger)
    def tick(real: Any, ledger: Ledger, now: float) -> None:
        ledger._last_tick = now
        real(ledger, now)


@mutant("silence-counts-while-a-master-serves")
def a_new_master_buries_all(patch: Patch) -> None:
    """Workers are as silent after a restart as they were before it."""

    @patch.method(Ledger)
    def serve(real: Any, ledger: Ledger, now: float) -> None:
        real(ledger, now)
        ledger._allowance = 0.0
        for worker in ledger.roster:
            worker.last_heartbeat = now - 9.0


@mutant("the-silent-are-given-up")
def nobody_is_given_up(patch: Patch) -> None:
    """Who is silent is busy, and will be heard of again."""
    _go_by(patch, gives_up=lambda *_: False)


@mutant("the-silent-are-given-up")
def silence_is_given_half_a_minute(patch: Patch) -> None:
    """It is safer to wait for thirty seconds before one gives up on somebody."""

    def patient(worker: Worker, allowance: float, now: float, limits: Limits) -> bool:
        return gives_up(worker, allowance, now, replace(limits, worker_timeout=30.0))

    _go_by(patch, gives_up=patient)


@mutant("only-a-session-revives")
def a_heartbeat_revives_the_lost(patch: Patch) -> None:
    """A worker that was given up on and says that it lives is alive."""

    @patch.method(Ledger)
    def heartbeat(real: Any, ledger: Ledger, beat: Beat, now: float) -> Any:
        worker = ledger.roster.find(beat.worker, beat.incarnation)
        if worker and worker.status is WorkerStatus.LOST:
            worker.status = WorkerStatus.ALIVE
        return real(ledger, beat, now)


@mutant("unfinished-work-goes-first")
def lost_work_queues_up_again(patch: Patch) -> None:
    """A job that comes back joins the queue like any other: at its end."""

    def to_the_tail(*fields: Any, **named: Any) -> JobRequeued:
        return JobRequeued(*fields, **{**named, "front": False})

    patch.replace(attempts, "JobRequeued", to_the_tail)


@mutant("every-job-ends")
def lost_work_is_dropped(patch: Patch) -> None:
    """What a lost worker held is lost with it."""

    @patch.method(Attempts)
    def requeue(real: Any, *_: Any, **__: Any) -> None:
        return None


@mutant("every-job-ends")
def undelivered_leases_are_forgotten(patch: Patch) -> None:
    """What was written to a stream has been received."""

    @patch.method(Ledger)
    def _reconcile(real: Any, ledger: Ledger, worker: Worker, hello: Hello, now: float) -> Any:
        hello = replace(hello, leases=(*hello.leases, *worker.leases))
        return real(ledger, worker, hello, now)


# ---- attempts -------------------------------------------------------------------------


@mutant("attempts-are-limited")
def failed_jobs_are_tried_for_ever(patch: Patch) -> None:
    """A job that failed will succeed if it is only tried often enough."""

    @patch.method(Attempts)
    def _fail_attempt(real: Any, attempts: Attempts, job: Job, report: Report, now: float) -> None:
        limit, job.max_attempts = job.max_attempts, 5
        real(attempts, job, report, now)
        job.max_attempts = limit


@mutant("reported-attempts-add-up")
def a_failed_attempt_is_not_counted(patch: Patch) -> None:
    """Attempts are counted when they end the job."""

    @patch.method(Attempts)
    def _fail_attempt(real: Any, attempts: Attempts, job: Job, report: Report, now: float) -> None:
        if 0 < job.attempts < job.max_attempts - 1:
            job.attempts -= 1
        real(attempts, job, report, now)


@mutant("what-never-ran-is-free")
def undelivered_jobs_are_charged(patch: Patch) -> None:
    """Every lease that ends without a result was an attempt."""

    @patch.method(Attempts)
    def requeue(real: Any, attempts: Attempts, *what: Any) -> None:
        real(attempts, *(what if len(what) > 3 else (*what, Fate(charge=True))))


@mutant("innocents-are-not-charged")
def the_whole_batch_is_charged(patch: Patch) -> None:
    """All that a lost worker held was being run."""
    _lose_as_if_it_had(patch, slots=1000)


@mutant("suspects-are-charged")
def a_lost_attempt_is_no_attempt(patch: Patch) -> None:
    """It is never the job's fault that its worker was lost."""
    _lose_as_if_it_had(patch, slots=0)


def _lose_as_if_it_had(patch: Patch, slots: int) -> None:
    @patch.method(Ledger)
    def _lose(real: Any, ledger: Ledger, worker: Worker, reason: str, now: float) -> None:
        worker.slots, right = slots, worker.slots
        real(ledger, worker, reason, now)
        worker.slots = right


@mutant("suspects-are-not-prefetched")
def suspects_are_prefetched(patch: Patch) -> None:
    """A job that took its worker down waits its turn behind others as well as any."""
    patch.replace(Worker, "has_free_slot", Worker.has_room)


# ---- order ----------------------------------------------------------------------------


@mutant("priority-goes-first")
def priority_one_is_the_highest(patch: Patch) -> None:
    """The smaller the number, the more important the job."""
    patch.replace(ready, "_turn", lambda where: (where[1], not where[2]))


@mutant("requeued-goes-before-new")
def what_comes_back_stands_behind(patch: Patch) -> None:
    """A job that comes back has had its turn, so the others go first."""
    patch.replace(ready, "stand", lambda job: (job.job_type, job.priority, False))
    patch.replace(
        ready, "_runs_from", lambda job: (inf if job.front else job.not_before, job.number)
    )


@mutant("first-in-is-first-out")
def last_in_is_first_out(patch: Patch) -> None:
    """A stack is a kind of queue."""
    patch.replace(ready, "_runs_from", lambda job: (-job.not_before, -job.number))


@mutant("failed-goes-to-the-tail")
def failed_jobs_go_first(patch: Patch) -> None:
    """A job that is tried again has waited already, so it goes before the others."""
    _after_failure(patch, front=True)


@mutant("failed-goes-to-the-tail")
def failed_jobs_go_on_at_once(patch: Patch) -> None:
    """The sooner a failed job is tried again, the sooner it is done."""
    _after_failure(patch, delay=0.0)


def _after_failure(patch: Patch, **fate: Any) -> None:
    _go_by(patch, after_failure=lambda *failed: replace(after_failure(*failed), **fate))


@mutant("nothing-runs-before-its-time")
def delays_are_ignored(patch: Patch) -> None:
    """Whatever is in the queue may run."""

    @patch.method(ReadyQueue)
    def extend(real: Any, queue: ReadyQueue, jobs: list[Job], now: float) -> None:
        real(queue, jobs, inf)


# ---- credit ---------------------------------------------------------------------------


@mutant("no-more-than-the-credit")
def credit_is_ignored(patch: Patch) -> None:
    """A worker that listens can take another job."""
    patch.replace(Worker, "has_room", property(lambda worker: worker.connected))


@mutant("no-more-than-the-credit")
def credit_leaks(patch: Patch) -> None:
    """A voided lease takes up no room: the worker will stop it soon enough."""
    patch.replace(Worker, "held", property(lambda worker: len(worker.leases)))


# ---- keys -----------------------------------------------------------------------------


@mutant("one-job-for-one-submit")
def numbers_of_clients_are_forgotten(patch: Patch) -> None:
    """What a client sent before a restart, it has heard of."""

    @patch.method(Ledger)
    def _load(real: Any, ledger: Ledger, snapshot: Snapshot) -> None:
        snapshot.keys = ()
        real(ledger, snapshot)


@mutant("one-job-for-one-key")
def a_key_holds_until_its_job_has_ended(patch: Patch) -> None:
    """A key keeps a job from being queued twice; once it has ended it may be asked for again."""

    @patch.method(Keys)
    def _of_user(real: Any, keys: Keys, key: str) -> Job | None:
        job: Job | None = real(keys, key)
        return None if job is None or job.ended else job


@mutant("one-job-for-one-key")
def keys_of_users_are_forgotten_on_restart(patch: Patch) -> None:
    """A key is for requests that are repeated at once, so it need not outlive the master."""
    began = "began"

    @patch.method(Keys)
    def __init__(real: Any, keys: Keys, ledger_id: str, live: Any, archive: Any, log: Any) -> None:
        real(keys, ledger_id, live, archive, log)
        vars(keys)[began] = log.next_seq

    @patch.method(Keys)
    def _of_user(real: Any, keys: Keys, key: str) -> Job | None:
        job: Job | None = real(keys, key)
        return job if job is not None and job.number >= vars(keys)[began] else None


@mutant("one-key-is-one-job")
def a_key_is_answered_with_the_latest_job(patch: Patch) -> None:
    """A repeat comes straight after the original, so its job is the latest one."""
    _answer_with_the_latest(patch, user=True)


@mutant("one-job-is-told-of")
def a_repeat_is_answered_with_the_latest_job(patch: Patch) -> None:
    """A client sends one job after the other, so a repeat is about the latest one."""
    _answer_with_the_latest(patch, user=False)


def _answer_with_the_latest(patch: Patch, *, user: bool) -> None:
    @patch.method(Keys)
    def recognise(real: Any, keys: Keys, like: Any, *request: Any) -> Any:
        answer = real(keys, like, *request)
        if isinstance(answer, Accepted) and bool(like.key) is user and keys._live:
            return replace(answer, job_id=max(keys._live))
        return answer


@mutant("nothing-unexpected")
def numbers_count_from_the_next_one(patch: Patch) -> None:
    """An order says which number came last, and its jobs have the numbers after that."""

    @patch.method(Ledger)
    def submit_order(real: Any, ledger: Ledger, order: Order, client: str, now: float) -> Any:
        return real(ledger, replace(order, first_seq=order.first_seq + 1), client, now)


@mutant("jobs-are-as-asked")
def priority_is_lost_on_the_way(patch: Patch) -> None:
    """Priorities are for later; until then every job has the usual one."""
    _lose_on_the_way(patch, priority=0)


@mutant("jobs-are-as-asked")
def delay_is_lost_on_the_way(patch: Patch) -> None:
    """A job that may run later may as well run now."""
    _lose_on_the_way(patch, delay=0.0)


@mutant("jobs-are-as-asked")
def timeout_is_lost_on_the_way(patch: Patch) -> None:
    """How long a job may take is between the client and the worker."""
    _lose_on_the_way(patch, timeout=None)


def _lose_on_the_way(patch: Patch, **usual: Any) -> None:
    @patch.method(Ledger)
    def submit_order(real: Any, ledger: Ledger, order: Order, client: str, now: float) -> Any:
        return real(ledger, replace(order, like=replace(order.like, **usual)), client, now)


# ---- cancelling -----------------------------------------------------------------------


@mutant("cancelled-is-not-dispatched")
def a_cancelled_job_stays_in_the_queue(patch: Patch) -> None:
    """Cancelling is writing it down."""

    @patch.method(Journal)
    def change(real: Any, journal: Journal, job: Job, event: Any) -> None:
        if isinstance(event, JobCancelled) and job.status is Status.QUEUED:
            journal.emit(event)
        else:
            real(journal, job, event)


@mutant("cancelled-stays-cancelled")
def cancelling_a_queued_job_does_nothing(patch: Patch) -> None:
    """A job can be cancelled once it runs; before that there is nothing to stop."""
    _ignore_cancel_of(patch, Status.QUEUED)


@mutant("cancelled-stays-cancelled")
def cancelled_jobs_run_on(patch: Patch) -> None:
    """What runs already may as well end."""
    _ignore_cancel_of(patch, Status.RUNNING)


def _ignore_cancel_of(patch: Patch, status: Status) -> None:
    @patch.method(Ledger)
    def cancel(real: Any, ledger: Ledger, job_id: str, now: float) -> Refusal | None:
        job = ledger.find(job_id)
        if job is not None and job.status is status:
            return None
        refusal: Refusal | None = real(ledger, job_id, now)
        return refusal


# ---- counting -------------------------------------------------------------------------


@mutant("the-sum-is-right")
def the_queue_length_drifts(patch: Patch) -> None:
    """A cancelled job leaves the queue when it is skipped, and is counted until then."""

    @patch.method(ReadyQueue)
    def cancelled(real: Any, queue: ReadyQueue, job: Job) -> None:
        return None


@mutant("counts-are-true")
def cancelled_counts_as_failed(patch: Patch) -> None:
    """There are two ways to end: well and not well."""

    @patch.method(Ledger)
    def counts(real: Any, ledger: Ledger) -> dict[str, int]:
        counts: dict[str, int] = real(ledger)
        return {**counts, "CANCELLED": 0, "FAILED": counts["FAILED"] + counts["CANCELLED"]}
