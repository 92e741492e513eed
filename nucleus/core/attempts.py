"""How an attempt ends: completed, failed, or back in the queue.

Whether an attempt is charged is decided here and in ``Ledger._lose``; nowhere else does a
job's count of attempts go up.
"""

from nucleus.core.events import JobCompleted, JobFailed, JobRequeued
from nucleus.core.job import Job
from nucleus.core.journal import Journal
from nucleus.core.limits import Limits
from nucleus.core.ready import ReadyQueue
from nucleus.core.worker import Report


class Attempts:
    """Ends attempts of RUNNING jobs."""

    def __init__(self, journal: Journal, ready: ReadyQueue, limits: Limits) -> None:
        self._journal = journal
        self._ready = ready
        self._limits = limits

    def accept(self, job: Job, report: Report, now: float) -> None:
        """Do as the worker reports."""
        if report.released:
            self.requeue(job, "released", now)
        elif report.error is not None:
            self._fail_attempt(job, report, now)
        else:
            event = JobCompleted(
                self._journal.seq(),
                now,
                job.id,
                job.lease,
                job.worker,
                report.result or "",
                report.output,
                report.run_seconds,
                job.attempts + 1,
                job.client,
                job.client_seq,
            )
            self._journal.change(job, event)

    def _fail_attempt(self, job: Job, report: Report, now: float) -> None:
        error = report.error or "failed"
        attempts = job.attempts + 1
        if attempts >= job.max_attempts:
            self.fail(job, "failed", error, now, report)
            return
        delay = min(
            self._limits.retry_delay * 2.0 ** (attempts - 1),
            self._limits.max_retry_delay,
        )
        event = JobRequeued(
            self._journal.seq(),
            now,
            job.id,
            job.lease,
            job.worker,
            reason="failed",
            error=error,
            output=report.output,
            attempts=attempts,
            not_before=now + delay,
            front=False,
            suspect=False,
            run_seconds=report.run_seconds,
        )
        self._journal.change(job, event)
        self._ready.push(job, now)

    def fail(
        self, job: Job, reason: str, error: str, now: float, report: Report | None = None
    ) -> None:
        """Charge the attempt and end the job: it has none left."""
        event = JobFailed(
            self._journal.seq(),
            now,
            job.id,
            job.lease,
            job.worker,
            error=error,
            output=report.output if report else "",
            run_seconds=report.run_seconds if report else 0.0,
            attempts=job.attempts + 1,
            reason=reason,
            client=job.client,
            client_seq=job.client_seq,
        )
        self._journal.change(job, event)

    def requeue(
        self, job: Job, reason: str, now: float, *, lost: bool = False, charge: bool = False
    ) -> None:
        """Put the job back at the front; ``lost``: its worker was, so it becomes a suspect."""
        event = JobRequeued(
            self._journal.seq(),
            now,
            job.id,
            job.lease,
            job.worker,
            reason=reason,
            error=f"worker {job.worker} was lost" if charge else "",
            output="",
            attempts=job.attempts + charge,
            not_before=job.not_before,
            front=True,
            suspect=lost or job.suspect,
            run_seconds=0.0,
        )
        self._journal.change(job, event)
        self._ready.push(job, now)
