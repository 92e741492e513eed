"""What the ledger checks before it takes anything in, each with its limit in words.

Each function answers ``None`` when there is nothing to refuse.
"""

import math

from nucleus.core.job import Job, JobSpec, Order
from nucleus.core.lifecycle import CANCELLED, RUNNING
from nucleus.core.limits import Limits
from nucleus.core.refusals import Reason, Refusal, invalid, shorten
from nucleus.core.roster import Roster
from nucleus.core.worker import MAX_WINDOW, Hello, Report, Reports, Worker

MAX_NAME = 100  # characters of a job type or a worker's name
MAX_KEY = 200  # characters of a user's idempotency key
MAX_CLIENT = 64  # characters of a client id
MAX_PRIORITY = 1_000
MAX_DELAY = 31_536_000.0  # seconds: a year
MAX_ATTEMPTS = 100
MAX_TIMEOUT = 86_400.0  # seconds: a day
MAX_SLOTS = MAX_WINDOW
MAX_RESULT = 1_048_576  # characters of a result's JSON text, an error or an output
MAX_INTEGER = 2**63 - 1  # what a database can keep


def room(waiting: int, size: int, limits: Limits) -> int:
    """How many jobs more a queue takes, of ``waiting`` jobs with ``size`` characters of payload.

    The size is looked at once for all the jobs of a call, so that one call may go beyond it.
    """
    return max(0, limits.max_queued - waiting) if size < limits.max_queued_size else 0


def queue_full(waiting: int, size: int, limits: Limits) -> Refusal:
    """Say what there is no more room for."""
    if size < limits.max_queued_size:
        message = f"queue: {waiting} jobs wait; at most {limits.max_queued}"
    else:
        most = f"at most {limits.max_queued_size} characters of payload"
        message = f"queue: {waiting} jobs wait, with {size} characters of payload; {most}"
    return Refusal(Reason.QUEUE_FULL, message)


def check_order(order: Order, client: str) -> Refusal | None:
    """Refuse jobs whose numbers or keys are out of bounds; type and payloads come later."""
    return check_spec(order.like) or _check_key(order) or _check_client(order, client)


def check_spec(spec: JobSpec) -> Refusal | None:
    """Refuse options that are out of bounds."""
    if not -MAX_PRIORITY <= spec.priority <= MAX_PRIORITY:
        allowed = f"an integer from -{MAX_PRIORITY} to {MAX_PRIORITY}"
        return invalid("priority", spec.priority, allowed)
    if not 0 <= spec.delay <= MAX_DELAY:  # written so that NaN fails
        return invalid("delay", spec.delay, f"seconds from 0 to {MAX_DELAY:.0f}")
    if not 1 <= spec.max_attempts <= MAX_ATTEMPTS:
        return invalid("max_attempts", spec.max_attempts, f"an integer from 1 to {MAX_ATTEMPTS}")
    if spec.timeout is not None and not 0 < spec.timeout <= MAX_TIMEOUT:
        allowed = f"seconds, more than 0 and at most {MAX_TIMEOUT:.0f}"
        return invalid("timeout", spec.timeout, allowed)
    if len(spec.key) > MAX_KEY:
        return invalid("idempotency_key", spec.key, f"at most {MAX_KEY} characters")
    return None


def _check_key(order: Order) -> Refusal | None:
    if order.like.key and len(order.payloads) > 1:
        return invalid("idempotency_key", order.like.key, "a key belongs to one job")
    return None


def _check_client(order: Order, client: str) -> Refusal | None:
    if len(client) > MAX_CLIENT:
        return invalid("client_id", client, f"at most {MAX_CLIENT} characters")
    last = order.first_seq + len(order.payloads) - 1
    if order.first_seq and last > MAX_INTEGER:
        return invalid("client_seq", last, f"at most {MAX_INTEGER}")
    if order.first_seq and not client:
        return invalid("client_id", client, "a client that numbers its jobs must name itself")
    return None


def check_report(report: Report, by: Reports, job: Job | None) -> Refusal | None:
    """Refuse a report that does not say what became of the lease."""
    if job is None or job.worker != by.worker:  # else both are names already
        for name, text in (("worker", by.worker), ("job_id", report.job_id)):
            if not _is_name(text):
                return invalid(name, text, f"1 to {MAX_NAME} printable characters")
    if report.lease > MAX_INTEGER:
        return invalid("lease", report.lease, f"at most {MAX_INTEGER}")
    if not 0 <= report.run_seconds < math.inf:  # written so that NaN fails
        return invalid("run_seconds", report.run_seconds, "seconds, 0 or more")
    if refusal := _check_texts(report):
        return refusal
    if report.result is None and report.error is None and not report.released:
        return invalid("outcome", None, "one of result, error and released is set")
    return None


def _check_texts(report: Report) -> Refusal | None:
    result, error, output = report.result or "", report.error or "", report.output
    if len(result) + len(error) + len(output) <= MAX_RESULT:
        return None  # as nearly always: no need to look at each
    for name, said in (("result", result), ("error", error), ("output", output)):
        if len(said) > MAX_RESULT:
            return invalid(name, f"{len(said)} characters", f"at most {MAX_RESULT} characters")
    return None


def check_hello(hello: Hello) -> Refusal | None:
    """Refuse a worker whose introduction makes no sense."""
    if not _is_name(hello.worker):
        return invalid("worker", hello.worker, f"1 to {MAX_NAME} printable characters")
    if not _is_name(hello.incarnation):
        return invalid("incarnation", hello.incarnation, f"1 to {MAX_NAME} printable characters")
    if not 1 <= hello.session <= MAX_INTEGER:
        return invalid("session", hello.session, f"an integer from 1 to {MAX_INTEGER}")
    if not 1 <= hello.slots <= MAX_SLOTS:
        return invalid("slots", hello.slots, f"an integer from 1 to {MAX_SLOTS}")
    if hello.credit.window > MAX_WINDOW:
        return invalid("credit.window", hello.credit.window, f"at most {MAX_WINDOW}")
    return _check_types(hello.job_types)


def _check_types(job_types: tuple[str, ...]) -> Refusal | None:
    if not job_types:
        return invalid("job_types", [], "a worker offers at least one job type")
    for name in job_types:
        if not _is_name(name):
            return invalid("job_types", name, f"names of 1 to {MAX_NAME} printable characters")
    return None


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= MAX_NAME and text.isprintable()


def unknown_job(job_id: str) -> Refusal:
    """Nobody knows this job."""
    return Refusal(Reason.UNKNOWN_JOB, f"job_id: {shorten(job_id)} is not known here")


def replaced(name: str) -> Refusal:
    """The incarnation that asks was replaced."""
    return Refusal(Reason.REPLACED, f"worker: a newer incarnation of {name!r} took its place")


def refuse_crowd(
    hello: Hello, roster: Roster, job_types: set[str], limits: Limits
) -> Refusal | None:
    """Refuse a worker or job types beyond what the ledger keeps in memory."""
    if roster.named(hello.worker) is None and len(roster) >= limits.max_workers:
        message = f"worker: {len(roster)} are known; at most {limits.max_workers}"
        return Refusal(Reason.TOO_MANY_WORKERS, message)
    if len(job_types) < limits.max_job_types:
        return None  # as nearly always
    new = set(hello.job_types) - job_types
    if new:
        message = f"job_types: {len(job_types)} are known; at most {limits.max_job_types}"
        return Refusal(Reason.TOO_MANY_TYPES, message)
    return None


def refuse_session(worker: Worker | None, hello: Hello) -> Refusal | None:
    """Refuse a session that was overtaken, or that a replaced incarnation opens."""
    if worker is None:
        return None
    if hello.incarnation in worker.retired:
        return replaced(hello.worker)
    if hello.incarnation == worker.incarnation and hello.session <= worker.session:
        message = f"session: {hello.session} is not allowed; {worker.session} was opened already"
        return Refusal(Reason.OLD_SESSION, message)
    return None


def refuse_report(job: Job | None, by: Reports, report: Report) -> Refusal | None:
    """Refuse a report whose lease is not the job's current one, held by this worker."""
    if job is None:
        return unknown_job(report.job_id)
    if job.status is CANCELLED:
        return Refusal(Reason.CANCELLED, f"lease: {report.lease} is void; {job.id} was cancelled")
    if job.status is not RUNNING or job.lease != report.lease:
        now = f"lease {job.lease}" if job.lease else "no lease"
        message = f"lease: {report.lease} is stale; {job.id} is {job.status.name} under {now}"
        return Refusal(Reason.STALE_LEASE, message)
    if (job.worker, job.incarnation) != (by.worker, by.incarnation):
        message = (
            f"worker: {by.worker!r} does not hold lease {report.lease}; it is {job.worker!r}'s"
        )
        return Refusal(Reason.WRONG_WORKER, message)
    return None
