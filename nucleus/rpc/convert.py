"""Messages of the protocol to the core's dataclasses, and back.

Payloads and results are JSON text on both sides; nothing here looks into them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby, starmap
from operator import attrgetter
from typing import Any, TypeVar

from nucleus.core.events import KINDS, Event
from nucleus.core.job import Job, JobSpec, Order
from nucleus.core.keys import Accepted
from nucleus.core.lifecycle import Status
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import Assignment, Beat, Credit, Hello, Report, Reports
from nucleus.rpc import job_queue_pb2 as pb

T = TypeVar("T")

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


def order_to_message(order: Order) -> pb.Order:
    """Jobs to be submitted that differ in their payload only."""
    like = spec_to_message(order.like)
    like.client_seq = order.first_seq
    like.payload = ""
    return pb.Order(like=like, payloads=order.payloads)


def order_from_message(message: pb.Order) -> Order:
    """Jobs to be submitted that differ in their payload only."""
    return Order(spec_from_message(message.like), message.payloads, message.like.client_seq)


def outcomes_to_message(outcomes: Sequence[Accepted | Refusal], ledger_id: str) -> pb.SendJobsReply:
    """What became of submits."""
    numbered = list(enumerate(outcomes))
    return pb.SendJobsReply(
        job_ids=["" if isinstance(outcome, Refusal) else outcome.job_id for outcome in outcomes],
        duplicates=[n for n, o in numbered if isinstance(o, Accepted) and o.duplicate],
        refused=[_refused(n, o) for n, o in numbered if isinstance(o, Refusal)],
        ledger_id=ledger_id,
    )


def outcomes_from_message(message: pb.SendJobsReply) -> list[Accepted | Refusal]:
    """What became of submits."""
    duplicates = set(message.duplicates)
    outcomes: list[Accepted | Refusal] = [
        Accepted(job_id, place in duplicates) for place, job_id in enumerate(message.job_ids)
    ]
    for item in message.refused:
        outcomes[item.place] = refusal_from_message(item.refusal)
    return outcomes


def _refused(place: int, refusal: Refusal) -> pb.Refused:
    return pb.Refused(place=place, refusal=refusal_to_message(refusal))


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


def leases_to_message(jobs: Sequence[Job]) -> list[pb.Leases]:
    """RUNNING jobs, for the worker that holds their leases, in order."""
    return [
        pb.Leases(
            job_type=job_type,
            timeout=timeout,
            job_ids=[job.id for job in alike],
            leases=[job.lease for job in alike],
            payloads=[job.payload for job in alike],
            attempts=[job.attempts + 1 for job in alike],
        )
        for (job_type, timeout), alike in _runs(jobs, attrgetter("job_type", "timeout"))
    ]


def assignments_from_message(message: pb.JobBatch) -> list[Assignment]:
    """Leased jobs, as a worker receives them."""
    return [
        Assignment(job_id, lease, leases.job_type, payload, timeout, attempt)
        for leases in message.leases
        for timeout in [leases.timeout if leases.HasField("timeout") else None]
        for job_id, lease, payload, attempt in zip(
            leases.job_ids, leases.leases, leases.payloads, leases.attempts, strict=True
        )
    ]


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
    items = reports.items
    return pb.SendResultsRequest(
        worker=reports.worker,
        incarnation=reports.incarnation,
        credit=credit_to_message(reports.credit) if reports.credit else None,
        results=pb.Results(
            job_ids=[report.job_id for report in items],
            leases=[report.lease for report in items],
            outcomes=[_outcome(report) for report in items],
            texts=[report.result or report.error or "" for report in items],
            outputs=[report.output for report in items],
            run_seconds=[report.run_seconds for report in items],
        ),
        stopped=reports.stopped,
    )


def _outcome(report: Report) -> pb.Outcome:
    if report.released:
        return pb.RELEASED
    if report.error is not None:
        return pb.ERROR
    return pb.OUTCOME_UNSPECIFIED if report.result is None else pb.RESULT


def reports_from_message(message: pb.SendResultsRequest) -> Reports:
    """Several reports in one call; raises ``ValueError`` for columns of different lengths."""
    results = message.results
    columns = zip(
        results.job_ids,
        results.leases,
        results.outcomes,
        results.texts,
        results.outputs,
        results.run_seconds,
        strict=True,
    )
    return Reports(
        message.worker,
        message.incarnation,
        tuple(
            Report(
                job_id,
                lease,
                text if outcome == pb.RESULT else None,
                text if outcome == pb.ERROR else None,
                outcome == pb.RELEASED,
                output,
                run_seconds,
            )
            for job_id, lease, outcome, text, output, run_seconds in columns
        ),
        credit_from_message(message.credit) if message.HasField("credit") else None,
        tuple(message.stopped),
    )


def refusals_to_message(
    refusals: Sequence[Refusal | None], voided: Iterable[int], ledger_id: str
) -> pb.SendResultsReply:
    """What became of several reports, and the leases that are void."""
    refused = [_refused(place, r) for place, r in enumerate(refusals) if r is not None]
    return pb.SendResultsReply(refused=refused, voided=voided, ledger_id=ledger_id)


def refusals_from_message(message: pb.SendResultsReply, count: int) -> list[Refusal | None]:
    """A refusal or ``None`` for each of ``count`` reports."""
    refusals: list[Refusal | None] = [None] * count
    for item in message.refused:
        refusals[item.place] = refusal_from_message(item.refusal)
    return refusals


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


_FIELDS = {kind: tuple(f.name for f in fields(cls)) for kind, cls in KINDS.items()}
_VALUES = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}


def events_to_message(events: Sequence[Event]) -> list[pb.Events]:
    """Events in order, each run of one kind as columns."""
    return [_columns(cls.__name__, alike) for cls, alike in _runs(events, type)]


def _columns(kind: str, events: list[Event]) -> pb.Events:
    columns = zip(*map(_VALUES[kind], events), strict=True)
    values = {
        name: _WRAP[name](column) if name in _WRAP else column
        for name, column in zip(_FIELDS[kind], columns, strict=True)
    }
    return pb.Events(kind=kind, **values)


# What a column of the protocol cannot hold as it is.
_WRAP: dict[str, Callable[[Iterable[Any]], list[Any]]] = {
    "timeout": lambda column: [timeout or 0.0 for timeout in column],
    "job_types": lambda column: [pb.Names(values=names) for names in column],
    "running": lambda column: [pb.Numbers(values=numbers) for numbers in column],
}
_UNWRAP: dict[str, Callable[[Iterable[Any]], list[Any]]] = {
    "timeout": lambda column: [timeout or None for timeout in column],
    "job_types": lambda column: [tuple(names.values) for names in column],
    "running": lambda column: [tuple(numbers.values) for numbers in column],
}


def events_from_message(batch: Iterable[pb.Events]) -> Iterator[Event]:
    """Events in order; kinds that only a newer master knows are left out."""
    for message in batch:
        names = _FIELDS.get(message.kind)
        if names is not None:
            columns = (
                _UNWRAP[name](getattr(message, name)) if name in _UNWRAP else getattr(message, name)
                for name in names
            )
            yield from starmap(KINDS[message.kind], zip(*columns, strict=True))


def _runs(items: Iterable[T], key: Callable[[T], Any]) -> Iterator[tuple[Any, list[T]]]:
    """Runs of consecutive items with the same key."""
    return ((value, list(run)) for value, run in groupby(items, key))
