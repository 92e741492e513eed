"""A worker that writes down which leases it received, and what became of them.

``python -m nucleus.cluster.chaos.worker``: the real worker, with a session that keeps a diary.
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from nucleus.cluster.chaos.diary import Diary
from nucleus.cluster.recorded import Note
from nucleus.core.worker import Assignment, Beat, Hello, Report, Reports
from nucleus.core.worker_session import MAX_REPORTS, WorkerSession
from nucleus.history.observations import Received, Stopped, Voided
from nucleus.services.common.main import run_service
from nucleus.services.common.options import host_port
from nucleus.services.worker import Worker


class WitnessSession(WorkerSession):
    """A session that notes what goes in and out, each thing before the master can know of it."""

    def __init__(self, note: Note, like: WorkerSession) -> None:
        super().__init__(like.name, like.incarnation, like.slots, like.job_types)
        self._note = note
        self._largest = 0  # credit window stated so far
        self._jobs: dict[int, str] = {}  # lease -> job, of what takes up room

    def open(self, now: float) -> Hello:
        """Begin a new session."""
        hello = super().open(now)
        self._state(hello)
        return hello

    def beat(self, now: float, begun: Iterable[int] | None = None, leaving: bool = False) -> Beat:
        """The next heartbeat."""
        beat = super().beat(now, begun, leaving)
        self._state(beat)
        return beat

    def reports(self, now: float, limit: int = MAX_REPORTS) -> Reports | None:
        """The reports to send now."""
        reports = super().reports(now, limit)
        self._state(reports)
        return reports

    def _state(self, message: Hello | Beat | Reports | None) -> None:
        if message is not None and message.credit is not None:
            self._largest = max(self._largest, message.credit.window)

    def received(self, session: int, jobs: Iterable[Assignment]) -> None:
        """Take leases in."""
        jobs = list(jobs)
        new = [job for job in jobs if job.lease not in self._held]
        super().received(session, jobs)
        for job in new:
            if job.lease in self._held:
                self._jobs[job.lease] = job.job_id
                who = self.name, self.incarnation, job.lease, job.job_id
                self._note(Received(time.time(), *who, self._largest))

    def voided(self, leases: Iterable[int]) -> list[int]:
        """Hear that leases are void."""
        leases = list(leases)
        for lease in leases:
            self._note(Voided(time.time(), self.name, self.incarnation, lease))
        return super().voided(leases)

    def finished(self, report: Report, now: float) -> None:
        """A run ended."""
        if report.lease in self._running:
            outcome = "failed" if report.result is None else "completed"
            self._stop(report.lease, outcome, report.result or "")
        super().finished(report, now)

    def drain(self) -> None:
        """Take no more work."""
        for lease in self._waiting:
            self._stop(lease, "released")
        super().drain()

    def _let_go(self, lease: int) -> None:
        self._stop(lease, "voided")
        super()._let_go(lease)

    def _stop(self, lease: int, outcome: str, result: str = "") -> None:
        job = self._jobs.pop(lease, None)
        if job is not None:
            who = self.name, self.incarnation, lease, job
            self._note(Stopped(time.time(), *who, outcome, result))


class WitnessWorker(Worker):
    """The real worker with such a session."""

    def __init__(self, diary: Path, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._session = WitnessSession(Diary(diary).note, self._session)


@click.command()
@click.option("--master", type=host_port, required=True)
@click.option("--monitoring", required=True)
@click.option("--name", required=True)
@click.option("--slots", type=int, required=True)
@click.option("--heartbeat-interval", type=float, required=True)
@click.option("--diary", type=click.Path(path_type=Path), required=True)
@click.option("--lifeline", type=int)
def main(master: str, diary: Path, lifeline: int | None, **options: Any) -> None:
    """Work until SIGTERM."""
    code = run_service(
        lambda ending: WitnessWorker(diary, master, on_given_up=ending.give_up, **options),
        part="worker",
        log_level="error",
        lifeline=lifeline,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
