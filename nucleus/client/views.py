"""What a client shows of jobs, workers and the cluster: plain frozen data."""

import json
from dataclasses import dataclass
from typing import Any

from nucleus.core.lifecycle import Status
from nucleus.rpc import job_queue_pb2 as pb


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, as of when it was asked for. Times are Unix seconds."""

    id: str
    job_type: str
    payload: Any
    status: str  # QUEUED, RUNNING, COMPLETED, FAILED or CANCELLED
    result: Any  # once COMPLETED
    error: str  # the last one, "" when there was none
    output: str  # printed by the last attempt that was reported
    worker: str  # of the current or last attempt
    attempts: int  # that ended or were lost
    max_attempts: int
    priority: int
    submitted_at: float
    started_at: float | None  # the current or last attempt
    finished_at: float | None
    retry_of: str


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker, as the master sees it."""

    name: str
    state: str  # alive, lost or left
    connected: bool
    slots: int
    held: int  # jobs leased to it
    running: int  # of these, being run, as of its last heartbeat
    window: int  # the credit it gave
    heartbeat_age: float  # seconds
    job_types: tuple[str, ...]
    incarnation: str = ""  # differs each time a worker of this name is started


@dataclass(frozen=True, slots=True)
class Stats:
    """The cluster in numbers."""

    ledger_id: str
    epoch: int
    jobs: dict[str, int]  # by status
    submitted: int
    requeued: dict[str, int]  # by reason
    rejected: dict[str, int]  # late or wrong results, by reason
    oldest_queued_age: float  # seconds, 0 when the queue is empty
    workers: tuple[WorkerView, ...]
    job_types: dict[str, str]  # name -> what its payload may be
    now: float = 0.0  # Unix seconds, by the master's clock
    next_seq: int = 0  # of the next event: where to watch from, to miss none after this
    worker_timeout: float = 10.0  # seconds of silence after which a worker is lost


def job_view(job: pb.Job) -> JobView:
    """Show a job."""
    return JobView(
        id=job.job_id,
        job_type=job.job_type,
        payload=json.loads(job.payload),
        status=Status(job.status).name,
        result=json.loads(job.result) if job.result else None,
        error=job.error,
        output=job.output,
        worker=job.worker,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        priority=job.priority,
        submitted_at=job.submitted_at,
        started_at=job.started_at if job.HasField("started_at") else None,
        finished_at=job.finished_at if job.HasField("finished_at") else None,
        retry_of=job.retry_of,
    )


def stats_view(state: pb.ClusterState) -> Stats:
    """Show the cluster."""
    return Stats(
        ledger_id=state.ledger_id,
        epoch=state.epoch,
        jobs=dict(state.jobs),
        submitted=state.submitted,
        requeued=dict(state.requeued),
        rejected=dict(state.rejected),
        oldest_queued_age=state.oldest_queued_age,
        workers=tuple(_worker_view(worker) for worker in state.workers),
        job_types={info.job_type: info.allowed for info in state.job_types},
        now=state.now,
        next_seq=state.next_seq,
        worker_timeout=state.worker_timeout,
    )


def _worker_view(worker: pb.WorkerState) -> WorkerView:
    return WorkerView(
        name=worker.worker,
        state=worker.state,
        connected=worker.connected,
        slots=worker.slots,
        held=worker.held,
        running=len(worker.running),
        window=worker.window,
        heartbeat_age=worker.heartbeat_age,
        job_types=tuple(worker.job_types),
        incarnation=worker.incarnation,
    )
