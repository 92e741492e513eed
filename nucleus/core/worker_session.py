"""The worker's rules: which leases it holds, what it says about them, when it drains.

A pure state machine beside the ledger. The shell carries messages and runs jobs:

- ``open`` → what to send with ``GetJobs``; ``received`` → which leases are new;
- ``to_start`` → what to give to the executor next, in the order received;
- ``finished`` when a run ended; ``report_due`` → when to send what has ended, ``reports`` →
  what to send with ``SendResults``;
- ``beat`` → what to send with ``Heartbeat``; ``voided`` → which runs to stop.

A lease is held from receipt until its report is answered. Everything may be repeated: a
lease that is held is not taken twice, a report is sent until it is answered.
"""

from collections.abc import Iterable
from itertools import islice
from math import inf

from nucleus.core.credit import CreditMeter
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import (
    Assignment,
    Beat,
    BeatAnswer,
    Hello,
    Report,
    Reports,
    that_fit,
)

MAX_REPORTS = 1000  # in one call

LINGER = 0.05  # seconds for which a report waits for others, while there is more to run
COMPANY = 16  # reports that wait for no more


class WorkerSession:
    """One worker's view of its leases."""

    def __init__(self, name: str, incarnation: str, slots: int, job_types: Iterable[str]) -> None:
        self.name = name
        self.incarnation = incarnation
        self.slots = slots
        self.job_types = tuple(job_types)
        self.session = 0
        self._opened = 0  # the latest session in which anything was received
        self.draining = False
        self.credit = CreditMeter(slots)
        self._held: dict[int, Assignment] = {}  # by lease, in the order received
        # Each held lease is in exactly one of these four, in this order of its life:
        self._waiting: dict[int, Assignment] = {}
        self._running: dict[int, Assignment] = {}  # given to the executor, in this order
        self._stopping: set[int] = set()  # void, but the executor could not stop it
        self._reports: dict[int, Report] = {}  # ended, and not answered yet
        self._report_by = inf  # when the oldest that is not under way is to be sent
        self._stopped: set[int] = set()  # voided and no longer held, not told yet
        self._newest = 0  # the newest lease received; they arrive in ascending order
        self._void_early: set[int] = set()  # voided while still on the way to this worker
        self._in_call: tuple[int, ...] = ()  # leases in the SendResults that is under way

    # ---- what to say ------------------------------------------------------------------

    def open(self, now: float) -> Hello:
        """Begin a new session; from now on only its messages count."""
        self.session += 1
        self._void_early.clear()  # what is on the way to the last session is ignored anyway
        self._newest = 0  # perhaps it is another ledger, which counts anew
        credit, leases = self.credit.state(now), tuple(self._held)
        who = self.name, self.incarnation, self.session
        return Hello(*who, self.slots, credit, self.job_types, leases)

    def beat(self, now: float, begun: Iterable[int] | None = None, leaving: bool = False) -> Beat:
        """The next heartbeat; ``begun`` are the leases that run, when the executor queues some."""
        begun = self._running if begun is None else begun
        running, stopped = (n for n in begun if n in self._running), sorted(self._stopped)
        who = self.name, self.incarnation, self.session
        return Beat(*who, self.credit.state(now), tuple(running), tuple(stopped), leaving)

    def report_due(self) -> float:
        """When to call ``reports``: a time on the clock, ``-inf`` for now, ``inf`` for never.

        A message costs more than a quick job. So a report waits a moment for others, unless
        somebody may be waiting for it alone: that is so when there is nothing more to run.
        """
        ahead = len(self._waiting) + self.busy - self.slots
        if self._reports and (ahead <= 0 or len(self._reports) >= COMPANY):
            return -inf
        return self._report_by

    def reports(self, now: float, limit: int = MAX_REPORTS) -> Reports | None:
        """The reports to send now; ``None`` when there are none, or some are under way."""
        if self._in_call or not self._reports:
            return None
        ready = tuple(that_fit(islice(self._reports.values(), limit)))
        self._in_call = tuple(report.lease for report in ready)
        self._report_by = inf if len(ready) == len(self._reports) else -inf
        stopped = tuple(sorted(self._stopped))
        return Reports(self.name, self.incarnation, ready, self.credit.state(now), stopped)

    def has_news(self, now: float) -> bool:
        """Whether the master should hear of something before the next heartbeat is due."""
        return bool(self._stopped) or self.credit.misstated(now)

    # ---- what comes back --------------------------------------------------------------

    def received(self, session: int, jobs: Iterable[Assignment]) -> None:
        """Take leases in; those of an earlier session, or held already, are ignored."""
        if session != self.session:
            return
        self._opened = session
        for job in jobs:
            lease = job.lease
            self._newest = max(self._newest, lease)
            if lease not in self._held and lease not in self._void_early:
                self._held[lease] = self._waiting[lease] = job
        if self._void_early:
            self._void_early = {lease for lease in self._void_early if lease > self._newest}
        if self.draining:
            self.drain()

    def answered(self, refusals: Iterable[Refusal | None]) -> None:
        """The ``SendResults`` under way was answered, one outcome for each of its reports.

        A result that is not legal ends the attempt as failed; every other lease is done with.
        """
        for lease, refusal in zip(self._in_call, refusals, strict=True):
            report = self._reports.pop(lease)
            if refusal is not None and refusal.reason is Reason.INVALID:
                self._reports[lease] = Report(report.job_id, lease, error=refusal.message)
                self._report_by = -inf
            else:
                del self._held[lease]
        self._in_call = ()

    def unanswered(self) -> None:
        """The ``SendResults`` under way broke: its reports are sent again."""
        self._in_call = ()
        self._report_by = -inf

    def must_reopen(self, beat: Beat, answer: BeatAnswer) -> bool:
        """Whether the answer to ``beat`` means that the session is gone, not just under way."""
        return answer.open_again and beat.session == self._opened == self.session

    def told(self, stopped: Iterable[int]) -> None:
        """The master has heard that these voided leases are no longer held."""
        self._stopped.difference_update(stopped)

    def voided(self, leases: Iterable[int]) -> list[int]:
        """Hear that leases are void. Return those whose run should be stopped.

        What has ended is still reported, so that the refusal is counted.
        """
        to_stop = []
        for lease in leases:
            if lease not in self._held:
                self._stopped.add(lease)
                if lease > self._newest:
                    self._void_early.add(lease)
            elif self._waiting.pop(lease, None):
                self._let_go(lease)
            elif self._running.pop(lease, None):
                self._stopping.add(lease)
                to_stop.append(lease)
        return to_stop

    def _let_go(self, lease: int) -> None:
        del self._held[lease]
        self._stopped.add(lease)

    # ---- running ----------------------------------------------------------------------

    @property
    def busy(self) -> int:
        """Leases that the executor was given and that have not ended."""
        return len(self._running) + len(self._stopping)

    def to_start(self, capacity: int | None = None) -> list[Assignment]:
        """The jobs to hand to the executor now, oldest first; it takes ``capacity``, or slots."""
        free = (capacity or self.slots) - self.credit.blocked - self.busy
        starting = list(islice(self._waiting.values(), max(0, free)))
        for job in starting:
            self._running[job.lease] = self._waiting.pop(job.lease)
        return starting

    def not_started(self, leases: Iterable[int]) -> None:
        """The executor gave these back, because it had not begun them."""
        back = {lease: self._running.pop(lease) for lease in leases if lease in self._running}
        self._waiting = back | self._waiting

    def finished(self, report: Report, now: float) -> None:
        """A run ended; of a voided lease nothing is reported but that it stopped."""
        if self._running.pop(report.lease, None):
            self._reports[report.lease] = report
            self._report_by = min(self._report_by, now + LINGER)
            self.credit.finished(now, report.run_seconds)
        else:
            self.stopped(report.lease)

    def stopped(self, lease: int) -> None:
        """The run of a voided lease has come to its end."""
        if lease in self._stopping:
            self._stopping.remove(lease)
            self._let_go(lease)

    def assignment(self, lease: int) -> Assignment | None:
        """The job held under ``lease``."""
        return self._held.get(lease)

    # ---- leaving ----------------------------------------------------------------------

    def drain(self) -> None:
        """Take no more work: what has not started is handed back (``released``)."""
        self.draining = self.credit.closed = True
        for lease, job in self._waiting.items():
            self._reports[lease] = Report(job.job_id, lease, released=True)
            self._report_by = -inf
        self._waiting.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing is held."""
        return not self._held
