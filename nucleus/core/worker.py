"""What the ledger knows of a worker, and the messages a worker sends about itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from nucleus.core.facts import fact
from nucleus.core.refusals import Refusal

MAX_WINDOW = 1024  # jobs; bounds what a lost worker can take with it
MAX_REPORT_CHARACTERS = 2_000_000  # in one call, which always has room for one report
MAX_RETIRED = 16  # incarnations of one name that are remembered to have been replaced


class WorkerStatus(Enum):
    """Whether the master still counts on a worker."""

    ALIVE = "alive"
    LOST = "lost"  # given up on: silent for too long, or replaced
    LEFT = "left"  # said goodbye


@dataclass(frozen=True, slots=True)
class Credit:
    """How many jobs a worker is willing to hold: absolute, and the highest ``seq`` wins."""

    window: int
    seq: int


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker opens a session (``GetJobs``)."""

    worker: str
    incarnation: str
    session: int
    slots: int
    credit: Credit
    job_types: tuple[str, ...]
    leases: tuple[int, ...]  # everything it holds


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker says that it lives (``Heartbeat``)."""

    worker: str
    incarnation: str
    session: int
    credit: Credit
    running: tuple[int, ...] = ()
    stopped: tuple[int, ...] = ()  # voided leases that it no longer holds
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class BeatAnswer:
    """What a worker hears back: open a session again? Which leases are void?"""

    open_again: bool
    voided: tuple[int, ...]


@fact
class Assignment:
    """A leased job, as the master sent it."""

    job_id: str
    lease: int
    job_type: str
    payload: str  # JSON text
    timeout: float | None  # seconds
    attempt: int  # 1 for the first


@fact
class Report:
    """What became of a lease. Exactly one of result, error and released is set."""

    job_id: str
    lease: int
    result: str | None = None  # JSON text
    error: str | None = None
    released: bool = False  # handed back, never started
    output: str = ""
    run_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reports:
    """What a worker reports in one call (``SendResult``, ``SendResults``)."""

    worker: str
    incarnation: str
    items: tuple[Report, ...]
    credit: Credit | None = None
    stopped: tuple[int, ...] = ()


@dataclass(slots=True)
class Worker:
    """One worker, as the ledger sees it."""

    name: str
    incarnation: str
    slots: int
    job_types: tuple[str, ...]
    joined_at: float
    last_heartbeat: float
    status: WorkerStatus = WorkerStatus.ALIVE
    session: int = 0
    connected: bool = False  # its stream is open, so it can be sent jobs
    credit: Credit = Credit(0, -1)
    running: tuple[int, ...] = ()  # what its last heartbeat said
    leases: dict[int, str] = field(default_factory=dict)  # lease -> job id, oldest first
    voided: set[int] = field(default_factory=set)  # void, but perhaps still being run
    retired: tuple[str, ...] = ()  # incarnations that were replaced, the latest last

    @property
    def held(self) -> int:
        """Leases that count against the credit window."""
        return len(self.leases) + len(self.voided)

    @property
    def has_free_slot(self) -> bool:
        """Whether the next lease would start at once."""
        return self.has_room and self.held < self.slots

    @property
    def has_room(self) -> bool:
        """Whether the worker may be sent another lease."""
        return self.connected and self.held < self.credit.window

    def hear(self, credit: Credit | None, stopped: tuple[int, ...] = ()) -> None:
        """Take note of the latest credit, and of voided leases that are no longer held."""
        if credit is not None and credit.seq > self.credit.seq:
            self.credit = Credit(min(credit.window, MAX_WINDOW), credit.seq)
        self.voided.difference_update(stopped)

    def told(self, reports: Iterable[Report], refusals: Iterable[Refusal | None]) -> None:
        """The worker reported leases. A refused report says nothing of one that it holds."""
        for report, refusal in zip(reports, refusals, strict=True):
            self.voided.discard(report.lease)
            if refusal is None:
                self.leases.pop(report.lease, None)

    def void(self, lease: int) -> None:
        """The lease is no longer valid, but the worker may not know yet."""
        if self.leases.pop(lease, None) is not None:
            self.voided.add(lease)


def that_fit(reports: Iterable[Report]) -> Iterator[Report]:
    """The first of ``reports``, as many as one message can carry; at least one."""
    characters = 0
    for number, report in enumerate(reports):
        characters += len(report.result or report.error or "") + len(report.output)
        if number and characters > MAX_REPORT_CHARACTERS:
            return
        yield report
