"""Messages of the protocol to the core's dataclasses, and back.

Payloads and results are JSON text on both sides; nothing here looks into them.
"""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from nucleus.core.events import KINDS, Event
from nucleus.core.job import Job, JobSpec
from nucleus.core.keys import Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import Assignment, Beat, Credit, Hello, Report, Reports
from nucleus.rpc import job_queue_pb2 as pb

DEFAULT_MAX_ATTEMPTS = JobSpec("", "").max_attempts

# ---- submitting ---------------------------------------------------------------------------


def spec_to_message(spec: JobSpec) -> pb.JobSpec:
    """A job to be submitted."""
    return pb.JobSpec(
        job_type=spec.job_type,
        payload=spec.payload,
        priority=spec.priority,
        delay=spec.delay,
        max_attempts=spec.max_attempts,
        timeout=spec.timeout,
        idempotency_key=spec.key,
        client_seq=spec.client_seq,
    )


def spec_from_message(message: pb.JobSpec) -> JobSpec:
    """A job to be submitted."""
    return JobSpec(
        message.job_type,
        message.payload,
        message.priority,
        message.delay,
        message.max_attempts if message.HasField("max_attempts") else DEFAULT_MAX_ATTEMPTS,
        message.timeout if message.HasField("timeout") else None,
        message.idempotency_key,
        message.client_seq,
    )


def refusal_to_message(refusal: Refusal) -> pb.Refusal:
    """A refusal inside an answer."""
    return pb.Refusal(reason=refusal.reason.name, message=refusal.message)


def refusal_from_message(message: pb.Refusal) -> Refusal:
    """A refusal; a reason that a newer master may have becomes ``INVALID``."""
    return Refusal(Reason.__members__.get(message.reason, Reason.INVALID), message.message)


def outcome_to_message(outcome: Accepted | Refusal) -> pb.JobOutcome:
    """What became of one submit."""
    if isinstance(outcome, Refusal):
        return pb.JobOutcome(refusal=refusal_to_message(outcome))
    return pb.JobOutcome(job_id=outcome.job_id, duplicate=outcome.duplicate)


def outcome_from_message(message: pb.JobOutcome) -> Accepted | Refusal:
    """What became of one submit."""
    if message.HasField("refusal"):
        return refusal_from_message(message.refusal)
    return Accepted(message.job_id, message.duplicate)


# ---- working ------------------------------------------------------------------------------


def credit_to_message(credit: Credit) -> pb.Credit:
    """A worker's credit."""
    return pb.Credit(window=credit.window, seq=credit.seq)


def credit_from_message(message: pb.Credit) -> Credit:
    """A worker's credit."""
    return Credit(message.window, message.seq)


def hello_to_message(hello: Hello) -> pb.GetJobsRequest:
    """A worker opens a session."""
    return pb.GetJobsRequest(
        worker=hello.worker,
        incarnation=hello.incarnation,
        session=hello.session,
        slots=hello.slots,
        credit=credit_to_message(hello.credit),
        job_types=hello.job_types,
        leases=hello.leases,
    )


def hello_from_message(message: pb.GetJobsRequest) -> Hello:
    """A worker opens a session."""
    return Hello(
        message.worker,
        message.incarnation,
        message.session,
        message.slots,
        credit_from_message(message.credit),
        tuple(message.job_types),
        tuple(message.leases),
    )


def beat_to_message(beat: Beat) -> pb.HeartbeatRequest:
    """A heartbeat."""
    return pb.HeartbeatRequest(
        worker=beat.worker,
        incarnation=beat.incarnation,
        session=beat.session,
        credit=credit_to_message(beat.credit),
        running=beat.running,
        stopped=beat.stopped,
        leaving=beat.leaving,
    )


def beat_from_message(message: pb.HeartbeatRequest) -> Beat:
    """A heartbeat."""
    return Beat(
        message.worker,
        message.incarnation,
        message.session,
        credit_from_message(message.credit),
        tuple(message.running),
        tuple(message.stopped),
        message.leaving,
    )


def leased_to_message(job: Job) -> pb.LeasedJob:
    """A RUNNING job, for the worker that holds its lease."""
    return pb.LeasedJob(
        job_id=job.id,
        lease=job.lease,
        job_type=job.job_type,
        payload=job.payload,
        timeout=job.timeout,
        attempt=job.attempts + 1,
    )


def assignment_from_message(message: pb.LeasedJob) -> Assignment:
    """A leased job, as a worker receives it."""
    return Assignment(
        message.job_id,
        message.lease,
        message.job_type,
        message.payload,
        message.timeout if message.HasField("timeout") else None,
        message.attempt,
    )


def report_to_message(report: Report) -> pb.Result:
    """What became of a lease."""
    message = pb.Result(
        job_id=report.job_id,
        lease=report.lease,
        output=report.output,
        run_seconds=report.run_seconds,
    )
    if report.released:
        message.released = True
    elif report.error is not None:
        message.error = report.error
    elif report.result is not None:
        message.result = report.result
    return message


def report_from_message(message: pb.Result) -> Report:
    """What became of a lease."""
    outcome = message.WhichOneof("outcome")
    return Report(
        message.job_id,
        message.lease,
        result=message.result if outcome == "result" else None,
        error=message.error if outcome == "error" else None,
        released=outcome == "released" and message.released,
        output=message.output,
        run_seconds=message.run_seconds,
    )


def reports_to_message(reports: Reports) -> pb.SendResultsRequest:
    """Several reports in one call."""
    return pb.SendResultsRequest(
        worker=reports.worker,
        incarnation=reports.incarnation,
        credit=credit_to_message(reports.credit) if reports.credit else None,
        results=[report_to_message(report) for report in reports.items],
        stopped=reports.stopped,
    )


def reports_from_message(message: pb.SendResultsRequest) -> Reports:
    """Several reports in one call."""
    return Reports(
        message.worker,
        message.incarnation,
        tuple(report_from_message(result) for result in message.results),
        credit_from_message(message.credit) if message.HasField("credit") else None,
        tuple(message.stopped),
    )


# ---- reading ------------------------------------------------------------------------------


def job_to_message(job: Job) -> pb.Job:
    """A job, as readers see it."""
    return pb.Job(
        job_id=job.id,
        job_type=job.job_type,
        payload=job.payload,
        status=pb.JobStatus.Name(job.status),
        result=job.result,
        error=job.error,
        output=job.output,
        worker=job.worker,
        lease=job.lease,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        priority=job.priority,
        timeout=job.timeout,
        submitted_at=job.submitted_at,
        not_before=job.not_before,
        started_at=job.started_at,
        finished_at=job.finished_at,
        retry_of=job.retry_of,
        idempotency_key=job.key,
    )


def statuses_from_message(statuses: Iterable[int]) -> frozenset[Status]:
    """A filter by status; raises ``ValueError`` for a number that is no status."""
    return frozenset(Status(status) for status in statuses)


_EVENT_FIELDS = {kind: tuple(f.name for f in fields(cls)) for kind, cls in KINDS.items()}


def event_to_message(event: Event) -> pb.Event:
    """An event; the message has a field for every field of every kind."""
    kind = type(event).__name__
    values = {name: getattr(event, name) for name in _EVENT_FIELDS[kind]}
    return pb.Event(kind=kind, **values)


def event_from_message(message: pb.Event) -> Event | None:
    """An event; ``None`` for a kind that only a newer master knows."""
    names = _EVENT_FIELDS.get(message.kind)
    if names is None:
        return None
    values: dict[str, Any] = {name: _value(message, name) for name in names}
    return KINDS[message.kind](**values)


def _value(message: pb.Event, name: str) -> Any:
    if name == "timeout" and not message.HasField("timeout"):
        return None
    value = getattr(message, name)
    return tuple(value) if name in ("job_types", "running") else value
