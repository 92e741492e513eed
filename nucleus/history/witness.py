"""A worker's session that writes down what its worker saw, for simulated and real workers alike."""

from collections.abc import Callable, Iterable

from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import Assignment, Beat, Credit, Hello, Report, Reports
from nucleus.core.worker_session import MAX_REPORTS, WorkerSession
from nucleus.history.observations import Denied, Observation, Received, Stopped, Voided


class WitnessSession(WorkerSession):
    """A session that notes what goes in and out, each thing before the master can know of it.

    ``note`` takes each observation in; ``clock`` tells Unix seconds.
    """

    def __init__(
        self,
        note: Callable[[Observation], object],
        clock: Callable[[], float],
        name: str,
        incarnation: str,
        slots: int,
        job_types: Iterable[str],
    ) -> None:
        super().__init__(name, incarnation, slots, job_types)
        self.given: dict[int, str] = {}  # lease -> job, everything ever received
        self._note, self._clock = note, clock
        self._largest = 0  # credit window stated so far

    def _state(self, credit: Credit | None) -> None:
        if credit is not None:
            self._largest = max(self._largest, credit.window)

    def open(self, now: float) -> Hello:
        """Begin a new session."""
        hello = super().open(now)
        self._state(hello.credit)
        return hello

    def beat(self, now: float, begun: Iterable[int] | None = None, leaving: bool = False) -> Beat:
        """The next heartbeat."""
        beat = super().beat(now, begun, leaving)
        self._state(beat.credit)
        return beat

    def reports(self, now: float, limit: int = MAX_REPORTS) -> Reports | None:
        """The reports to send now."""
        reports = super().reports(now, limit)
        self._state(reports.credit if reports else None)
        return reports

    def received(self, session: int, jobs: Iterable[Assignment]) -> None:
        """Take leases in."""
        jobs = list(jobs)
        new = [job for job in jobs if job.lease not in self._held]
        super().received(session, jobs)
        for job in new:
            if job.lease in self._held:
                self.given[job.lease] = job.job_id
                who = self.name, self.incarnation, job.lease, job.job_id
                self._note(Received(self._clock(), *who, self._largest))
                if job.lease in self._reports:  # it came while draining, and goes back
                    self._stop(job.lease, "released")

    def voided(self, leases: Iterable[int]) -> list[int]:
        """Hear that leases are void."""
        leases = list(leases)
        for lease in leases:
            self._note(Voided(self._clock(), self.name, self.incarnation, lease))
        return super().voided(leases)

    def answered(self, refusals: Iterable[Refusal | None]) -> None:
        """The reports under way were answered."""
        refusals = list(refusals)
        for lease, refusal in zip(self._in_call, refusals, strict=True):
            if refusal is not None and refusal.reason is not Reason.INVALID:
                who = self.name, self.incarnation, lease, self._reports[lease].job_id
                self._note(Denied(self._clock(), *who, refusal.reason.name.lower()))
        super().answered(refusals)

    def finished(self, report: Report, now: float) -> None:
        """A run ended."""
        if report.lease in self._running:
            outcome = "failed" if report.result is None else "completed"
            self._stop(report.lease, outcome, report.result or "")
        super().finished(report, now)

    def drain(self) -> None:
        """Take no more work."""
        for lease in self._waiting:
            if lease in self.given:
                self._stop(lease, "released")
        super().drain()

    def _let_go(self, lease: int) -> None:
        self._stop(lease, "voided")
        super()._let_go(lease)

    def _stop(self, lease: int, outcome: str, result: str = "") -> None:
        who = self.name, self.incarnation, lease, self.given[lease]
        self._note(Stopped(self._clock(), *who, outcome, result))
