"""The ledger as ``GetClusterState`` shows it."""

from collections.abc import Callable

from nucleus.core.ledger import Ledger
from nucleus.core.worker import Worker
from nucleus.rpc import job_queue_pb2 as pb


def cluster_state(ledger: Ledger, allowed: Callable[[str], str], now: float) -> pb.ClusterState:
    """Workers, jobs by status, totals; ``allowed`` tells a job type's payload in words."""
    totals = ledger.totals
    return pb.ClusterState(
        ledger_id=ledger.ledger_id,
        epoch=ledger.epoch,
        now=now,
        workers=[_worker(worker, ledger.silence(worker, now)) for worker in ledger.roster],
        jobs=ledger.counts(),
        submitted=totals.submitted,
        requeued=totals.requeued,
        rejected=totals.rejected,
        oldest_queued_age=ledger.oldest_queued_age(now),
        job_types=[
            pb.JobTypeInfo(job_type=name, allowed=allowed(name)) for name in ledger.job_types()
        ],
        next_seq=ledger.next_seq,
        worker_timeout=ledger.limits.worker_timeout,
    )


def _worker(worker: Worker, age: float) -> pb.WorkerState:
    return pb.WorkerState(
        worker=worker.name,
        incarnation=worker.incarnation,
        state=worker.status.value,
        session=worker.session,
        connected=worker.connected,
        slots=worker.slots,
        window=worker.credit.window,
        held=len(worker.leases),
        running=worker.running,
        heartbeat_age=max(0.0, age),
        joined_at=worker.joined_at,
        job_types=worker.job_types,
    )
