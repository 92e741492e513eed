"""How an attempt ends: completed, failed, or back in the queue.

Whether an attempt is charged, and where a job waits again, is decided in
``nucleus.core.rules``; nowhere else than here does a job's count of attempts go up.
"""

from nucleus.core.events import JobCompleted, JobFailed, JobRequeued
from nucleus.core.job import Job
from nucleus.core.journal import Journal
from nucleus.core.limits import Limits
from nucleus.core.rules import INNOCENT, Fate, Queue, Rules
from nucleus.core.worker import Report, Worker


class Attempts:
    """Ends attempts of RUNNING jobs."""

    def __init__(self, journal: Journal, ready: Queue, limits: Limits, rules: Rules) -> None:
        self._journal = journal
        self._ready = ready
        self._limits = limits
        self._rules = rules

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
        fate = self._rules.after_failure(job, self._limits)
        if fate.over:
            self._fail(job, "failed", now, fate, error, report)
        else:
            self.requeue(job, "failed", now, fate, error, report)

    def lose(self, job: Job, place: int, worker: Worker, reason: str, now: float) -> None:
        """The worker was lost; ``place`` counts what it held from 0, the oldest."""
        fate = self._rules.after_loss(job, place, worker)
        lost = f"worker {worker.name} was lost"
        if fate.over:
            last = f"{lost}; attempt {job.attempts + 1} was the last"
            self._fail(job, reason, now, fate, last)
        else:
            self.requeue(job, reason, now, fate, lost if fate.charge else "")

    def _fail(
        self,
        job: Job,
        reason: str,
        now: float,
        fate: Fate,
        error: str,
        report: Report | None = None,
    ) -> None:
        """End the job: it has no attempt left."""
        event = JobFailed(
            self._journal.seq(),
            now,
            job.id,
            job.lease,
            job.worker,
            error=error,
            output=report.output if report else "",
            run_seconds=report.run_seconds if report else 0.0,
            attempts=job.attempts + fate.charge,
            reason=reason,
            client=job.client,
            client_seq=job.client_seq,
        )
        self._journal.change(job, event)

    def requeue(
        self,
        job: Job,
        reason: str,
        now: float,
        fate: Fate = INNOCENT,
        error: str = "",
        report: Report | None = None,
    ) -> None:
        """Put the job back in line; one that was not heard of stays a suspect."""
        as_before = fate.front and not fate.delay  # it keeps its place by the time it came
        event = JobRequeued(
            self._journal.seq(),
            now,
            job.id,
            job.lease,
            job.worker,
            reason=reason,
            error=error,
            output=report.output if report else "",
            attempts=job.attempts + fate.charge,
            not_before=job.not_before if as_before else now + fate.delay,
            front=fate.front,
            suspect=fate.suspect or (job.suspect and report is None),
            run_seconds=report.run_seconds if report else 0.0,
        )
        self._journal.change(job, event)
        self._ready.push(job, now)
