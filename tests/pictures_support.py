"""Hand-made histories for pictures and time travel: every moment of them is known."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from nucleus.core.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    MasterStarted,
    ResultRejected,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.history import History
from nucleus.history.observations import Beat, Committed, Fault, Serving

START = 1_700_000_000.0  # Unix seconds: the zero of the stories


class Story:
    """A history that is told sentence by sentence; times in seconds from the beginning."""

    def __init__(self) -> None:
        self.history = History(source="story", settings={"worker_timeout": 10.0})
        self._seq = 0
        self._leases: dict[str, tuple[int, str]] = {}  # job -> lease, worker
        self._charged: dict[str, int] = {}

    def _commit(self, kind: type[Event], at: float, *fields: object) -> int:
        self._seq += 1
        event = kind(self._seq, START + at, *fields)
        self.history.add(Committed(START + at, event))
        return self._seq

    def serve(self, at: float, epoch: int = 1) -> None:
        self.history.add(Serving(START + at, epoch))
        self._commit(MasterStarted, at, epoch)

    def join(self, at: float, worker: str, slots: int = 1) -> None:
        self._commit(WorkerJoined, at, worker, f"{worker}-1", 1, slots, ("Sleep",))

    def beat(self, at: float, worker: str) -> None:
        self.history.add(Beat(START + at, worker, f"{worker}-1"))

    def beats(self, worker: str, begin: float, until: float, every: float = 3.0) -> None:
        for number in range(int((until - begin) / every) + 1):
            self.beat(begin + number * every, worker)

    def leave(self, at: float, worker: str) -> None:
        self._commit(WorkerLeft, at, worker, f"{worker}-1")

    def submit(self, at: float, delay: float = 0.0) -> str:
        number = self._seq + 1
        job_id = f"story-{number:010d}"
        not_before = START + at + delay
        self._commit(
            JobSubmitted, at, job_id, "Sleep", "1", 0, not_before, 3, None, "", "client", number, ""
        )
        return job_id

    def lease(self, at: float, job_id: str, worker: str) -> int:
        lease = self._commit(JobLeased, at, job_id, worker, f"{worker}-1")
        self._leases[job_id] = lease, worker
        return lease

    def complete(self, at: float, job_id: str, run: float) -> None:
        lease, worker = self._leases.pop(job_id)
        attempts = self._charged.get(job_id, 0) + 1
        self._commit(
            JobCompleted, at, job_id, lease, worker, "1", "", run, attempts, "client", lease
        )

    def fail(self, at: float, job_id: str, run: float, reason: str = "failed") -> None:
        lease, worker = self._leases.pop(job_id)
        error, attempts = "it failed", self._charged.get(job_id, 0) + 1
        self._commit(
            JobFailed, at, job_id, lease, worker, error, "", run, attempts, reason, "client", lease
        )

    def requeue(self, at: float, job_id: str, reason: str, *, charged: bool) -> None:
        lease, worker = self._leases.pop(job_id)
        attempts = self._charged[job_id] = self._charged.get(job_id, 0) + charged
        lost = reason == "worker_lost"
        self._commit(
            JobRequeued, at, job_id, lease, worker, reason, "", "", attempts, START, lost, lost, 0.0
        )

    def cancel(self, at: float, job_id: str) -> None:
        lease, worker = self._leases.pop(job_id, (0, ""))
        self._commit(JobCancelled, at, job_id, lease, worker, "client", 1)

    def lose(self, at: float, worker: str) -> None:
        self._commit(WorkerLost, at, worker, f"{worker}-1", "silence")

    def reject(self, at: float, job_id: str, lease: int, worker: str) -> None:
        self._commit(ResultRejected, at, job_id, lease, worker, "stale_lease")

    def fault(self, at: float, until: float | None, kind: str, target: str) -> None:
        self.history.add(Fault(START + at, None if until is None else START + until, kind, target))

    def end(self) -> History:
        """The history, in order of time."""
        self.history.sort()
        return self.history


def a_crash() -> History:
    """Two workers; worker-1 dies at 6 s with the first of four jobs, which worker-2 then runs.

    It is given up on at 15 s. Its late result is refused at 18 s.
    """
    story = Story()
    story.serve(0)
    story.join(0, "worker-1")
    story.join(0, "worker-2")
    story.beats("worker-1", 2, 5)
    story.beats("worker-2", 0.5, 30)
    first, second, third, fourth = (story.submit(1) for _ in range(4))
    lease = story.lease(2, first, "worker-1")
    story.lease(2, second, "worker-2")
    story.lease(2, fourth, "worker-1")  # prefetched, and never begun
    story.complete(7, second, 5)
    story.fault(6, None, "crash", "worker-1")
    story.fault(8, 12, "partition", "client")
    story.lease(7, third, "worker-2")
    story.lose(15, "worker-1")
    story.requeue(15, first, "worker_lost", charged=True)
    story.requeue(15, fourth, "worker_lost", charged=False)
    story.fail(16, third, 9)
    story.lease(16, first, "worker-2")
    story.reject(18, first, lease, "worker-1")
    story.complete(22, first, 6)
    story.lease(22, fourth, "worker-2")
    story.cancel(25, fourth)
    return story.end()


def a_crowd(workers: int = 50, jobs: int = 30_000, seconds: float = 600.0) -> History:
    """Many workers and jobs, three events for each job; every tenth worker dies half-way."""
    story = Story()
    story.serve(0)
    names = [f"worker-{n}" for n in range(1, workers + 1)]
    half, dying = seconds / 2, set(names[9::10])
    for name in names:
        story.join(0, name, slots=2)
        story.beats(name, 0.1, half if name in dying else seconds)
        if name in dying:
            story.fault(half + 1, None, "crash", name)
            story.lose(half + 11, name)
    for number in range(jobs):
        at = number * (seconds - 20) / jobs
        name = names[number * 7 % workers]
        if name in dying and at > half - 10:
            name = names[0]
        run = 0.01 + 2.0 * (number * 37 % 100) / 100
        job = story.submit(at)
        story.lease(at + 0.02 + number % 13 / 10, job, name)
        story.complete(at + 1.5 + run, job, run)
    return story.end()


def labels(drawing: Figure) -> list[str]:
    """The entries of the legend."""
    return [text.get_text() for legend in drawing.legends for text in legend.get_texts()]


def texts(drawing: Figure) -> list[Text]:
    """Every text of a drawing that says something."""
    return [text for text in drawing.findobj(Text) if text.get_visible() and text.get_text()]


def artist(axes: Axes, label: str) -> Any:
    """The one artist of ``axes`` whose label begins so."""
    (found,) = [a for a in axes.get_children() if str(a.get_label()).startswith(label)]
    return found
