"""Small histories, written down by hand: a job or two, one worker, one client."""

from typing import Any

from nucleus.core.events import (
    JobCancelled,
    JobCompleted,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    MasterStarted,
    WorkerJoined,
    WorkerLost,
)
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended
from nucleus.history import History
from nucleus.history.observations import (
    Committed,
    Observation,
    Received,
    Serving,
    Started,
    Stopped,
    Submitted,
    Told,
)


class Scribe:
    """Writes a history, one second for each observation."""

    def __init__(self, **fields: Any) -> None:
        self.history = History(**{"drained": True, **fields})
        self.seq = 1
        self._submits = 0
        start = self.now
        self.see(Serving(start, 1))
        self.see(Committed(start, MasterStarted(1, start, 1), 1))
        self.commit(WorkerJoined, **WORKER, session=1, slots=1, job_types=("Echo",))

    @property
    def now(self) -> float:
        """The time of the next observation, in Unix seconds."""
        return 1000.0 + len(self.history.observations)

    def see(self, seen: Observation) -> None:
        """Write ``seen`` down."""
        self.history.add(seen)

    def commit(self, kind: type[Any], **fields: Any) -> Any:
        """Write down a new event with the next number."""
        self.seq += 1
        event = kind(self.seq, self.now, **fields)
        self.see(Committed(self.now, event, 1))
        return event

    def submit(self, **changes: Any) -> JobSubmitted:
        """A client submits a job, and hears that it was taken in."""
        self._submits += 1
        number = self._submits
        self.see(Submitted(self.now, "c", number, "Echo", "1", changes.get("priority", 0)))
        fields = {**JOB, "client_seq": number, "not_before": self.now, **changes}
        job_id = fields.pop("job_id", f"a-{self.seq + 1:010d}")
        event: JobSubmitted = self.commit(JobSubmitted, job_id=job_id, **fields)
        self.see(Told(self.now, "c", number, Acknowledged(number, job_id)))
        return event

    def lease(self, job: JobSubmitted, *, credit: int = 1) -> int:
        """The job is leased, and its worker starts it."""
        lease: int = self.commit(JobLeased, job_id=job.job_id, **WORKER).seq
        self.see(Received(self.now, **WORKER, lease=lease, job_id=job.job_id, credit=credit))
        self.see(Started(self.now, **WORKER, lease=lease, job_id=job.job_id))
        return lease

    def complete(self, job: JobSubmitted, lease: int, result: str = "7") -> None:
        """The run ends with 7, and ``result`` is taken for its result."""
        self.see(
            Stopped(
                self.now, **WORKER, lease=lease, job_id=job.job_id, outcome="completed", result="7"
            )
        )
        self.commit(
            JobCompleted, **ended(job, lease), result=result, output="", run_seconds=1.0, attempts=1
        )
        end = Ended(job.client_seq, job.job_id, Status.COMPLETED, result)
        self.see(Told(self.now, "c", job.client_seq, end))

    def cancel(self, job: JobSubmitted, lease: int = 0) -> None:
        """The job is cancelled."""
        self.commit(JobCancelled, **{**ended(job, lease), "worker": "w" if lease else ""})
        end = Ended(job.client_seq, job.job_id, Status.CANCELLED)
        self.see(Told(self.now, "c", job.client_seq, end))

    def lose(self, job: JobSubmitted, lease: int, **changes: Any) -> None:
        """The worker is silent for too long, and its job goes back."""
        self.commit(WorkerLost, **WORKER, reason="silence")
        fields: dict[str, Any] = {
            "reason": "worker_lost",
            "error": "",
            "output": "",
            "attempts": 1,
            "not_before": job.not_before,
            "front": True,
            "suspect": True,
            "run_seconds": 0.0,
            **changes,
        }
        self.commit(JobRequeued, job_id=job.job_id, lease=lease, worker="w", **fields)

    def whole_life(self) -> JobSubmitted:
        """A job from beginning to end."""
        job = self.submit()
        self.complete(job, self.lease(job))
        return job


WORKER = {"worker": "w", "incarnation": "i"}
JOB: dict[str, Any] = {
    "job_type": "Echo",
    "payload": "1",
    "priority": 0,
    "max_attempts": 3,
    "timeout": None,
    "key": "",
    "client": "c",
    "retry_of": "",
}


def ended(job: JobSubmitted, lease: int) -> dict[str, Any]:
    """The fields that all ends have."""
    return {
        "job_id": job.job_id,
        "lease": lease,
        "worker": "w",
        "client": job.client,
        "client_seq": job.client_seq,
    }
