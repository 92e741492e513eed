"""Lab 2: which of the waiting jobs is next?

The student's ``next_job`` stands in a queue that is a plain list, and that asks it each time
a worker could be sent something. The real ledger leases what it names.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from nucleus.core.job import Job
from nucleus.core.lifecycle import Status
from nucleus.core.ready import place
from nucleus.core.rules import OURS, Rules
from nucleus.grading.lab import Lab, Part, Thing
from nucleus.grading.simulated import SUBMITTED, Scenario, Simulated
from nucleus.grading.witness import NO_RETURN, Witness, same

SHOWN = 80  # characters of an answer
SCATTER = 2_654_435_761  # Knuth's multiplier: numbers times it are in no order that one would see


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits, as ``next_job`` sees it."""

    number: int  # counts up with every job that comes in
    priority: int  # a larger one goes first
    since: float  # Unix seconds: when it joined the line, this time
    came_back: bool  # a worker had it before, and was lost


NextJob = Callable[[list[Waiting]], Waiting | None]


class AskingQueue:
    """A queue that asks somebody else who is next."""

    def __init__(self, next_job: NextJob, witness: Witness) -> None:
        self._next_job, self._witness = next_job, witness
        self._waiting: list[Job] = []
        self._delayed: list[Job] = []
        self._came_back: dict[int, float] = {}  # number -> when, in Unix seconds

    def __len__(self) -> int:
        """Queued jobs, those that wait for their time included."""
        return len(self._waiting) + len(self._delayed)

    @property
    def size(self) -> int:
        """Characters in the payloads of queued jobs."""
        return sum(len(job.payload) for job in (*self._waiting, *self._delayed))

    @property
    def startable(self) -> bool:
        """Whether any job may run now."""
        return bool(self._waiting)

    def push(self, job: Job, now: float) -> None:
        """Take in a QUEUED job."""
        if job.front:
            self._came_back[job.number] = now
        (self._delayed if job.not_before > now else self._waiting).append(job)

    def extend(self, jobs: Sequence[Job], now: float) -> None:
        """Take in QUEUED jobs."""
        for job in jobs:
            self.push(job, now)

    def cancelled(self, job: Job) -> None:
        """Note that ``job`` left the queue from where it stood."""
        self._waiting = [other for other in self._waiting if other is not job]
        self._delayed = [other for other in self._delayed if other is not job]

    def wake(self, now: float) -> None:
        """Let in the delayed jobs whose time has come."""
        self._waiting += [job for job in self._delayed if job.not_before <= now]
        self._delayed = [job for job in self._delayed if job.not_before > now]

    def head(self, job_types: Collection[str]) -> Job | None:
        """The job that ``next_job`` names; ours, when it names none that waits."""
        jobs = {job.number: job for job in self._waiting if job.job_type in job_types}
        if not jobs:
            return None
        self._count(list(jobs.values()))
        views = [self._view(jobs[n]) for n in sorted(jobs, key=lambda n: n * SCATTER % 2**32)]
        # Copies: whoever means to can change them, and ours are what an answer is held against.
        answer = self._witness.ask(self._next_job, [replace(view) for view in views])
        named = next((view for view in views if same(view, answer)), None)
        if named is not None:
            return jobs[named.number]
        first = min(jobs.values(), key=place)
        if self._witness.failed:
            return first
        if answer is None:  # it leaves them standing
            self._witness.remarks[_ENDS] = f"next_job returned None while it waited. {NO_RETURN}"
            return None
        said = self._witness.said[:SHOWN]
        what = f"next_job returned {said}, which is none of the {len(views)} jobs that wait"
        self._witness.wrong(what, first.id)
        return first

    def _view(self, job: Job) -> Waiting:
        since = self._came_back[job.number] if job.front else job.not_before
        return Waiting(job.number, job.priority, since, job.front)

    def _count(self, jobs: list[Job]) -> None:
        seen = self._witness.seen
        ranks = Counter((job.priority, job.front) for job in jobs)
        seen["several wait"] += len(jobs) > 1
        seen["equals wait"] += max(ranks.values()) > 1
        seen["priorities differ"] += len({job.priority for job in jobs}) > 1
        seen["one came back"] += any((p, False) in ranks for p, front in ranks if front)

    def pop(self, job: Job) -> None:
        """Take out ``job``, which :meth:`head` has just named."""
        self._waiting.remove(job)

    def waiting_since(self) -> float | None:
        """The time from which the longest-waiting job could run, in Unix seconds."""
        times = [job.not_before for job in self._waiting if job.status is Status.QUEUED]
        return min(times, default=None)


def rules(next_job: Thing, witness: Witness) -> Rules:
    """What a ledger goes by that asks ``next_job``."""
    return replace(OURS, queue=lambda: AskingQueue(next_job, witness))


_FIFO = "first-in-is-first-out"
_PRIORITY = "priority-goes-first"
_BACK = "requeued-goes-before-new"
_ENDS = "every-job-ends"

_PLAIN = Simulated(Scenario(), rules, (_ENDS, _FIFO))
_RANKED = Simulated(Scenario(priorities=(0, 0, 0, 5, -3)), rules, (_ENDS, _PRIORITY, _FIFO))
_CRASHES = Simulated(
    Scenario(jobs=(6, 14), kinds={"quick": 1, "slow": 4}, troubles={"worker-crash": (2, 4)}),
    rules,
    (_ENDS, _BACK, _FIFO),
)
_ALL = Simulated(
    Scenario(
        jobs=(8, 16),
        kinds={"quick": 2, "slow": 3, "flaky": 2},
        priorities=(0, 0, 0, 5, -3),
        delayed=0.2,
        cancelled=0.2,
        slots=(1, 2),
        troubles={"worker-crash": (0, 2), "zombie": (0, 1), "lost-reply": (0, 1)},
    ),
    rules,
    (_ENDS, _PRIORITY, _BACK, _FIFO),
)

LAB = Lab(
    "02-queue",
    "The queue",
    "next_job",
    (
        Part(
            "A",
            "First in, first out",
            3,
            "Among jobs of one priority, the one that came first goes first.",
            _PLAIN.play,
            _PLAIN.size,
            {
                "equals wait": "two jobs of one priority waited at the same time",
                _ENDS: SUBMITTED,
            },
            (
                "The list is in no particular order: which field says who came first?",
                "Several jobs can come at one moment: `since` is the same then, `number` is not.",
                "`min(waiting, key=...)` finds the smallest; the key can be a tuple,"
                " which is compared from left to right.",
            ),
        ),
        Part(
            "B",
            "Priority",
            3,
            "A higher priority goes first; within one priority it is first in, first out.",
            _RANKED.play,
            _RANKED.size,
            {
                "priorities differ": "jobs of different priorities waited at the same time",
                _ENDS: SUBMITTED,
            },
            (
                "What is asked first: which priority, or which came first?",
                "The largest priority goes first, and the smallest time: turn one of them around.",
                "`reverse=True` turns everything around, the time as well; a minus sign does not.",
            ),
        ),
        Part(
            "C",
            "What comes back",
            2,
            "Within a priority, jobs that come back go before the others, the oldest first.",
            _CRASHES.play,
            _CRASHES.size,
            {"one came back": "a job came back while another of its priority waited"},
            (
                "Look at `came_back`.",
                "False sorts before True: `not job.came_back` is False for those that go first.",
                "A job that came back joined the line late, and is old all the same: among those,"
                " go by `number`.",
            ),
        ),
        Part(
            "D",
            "All at once",
            2,
            "With delays, cancelled jobs, failures and crashes, the order holds, and no job waits"
            " for ever.",
            _ALL.play,
            _ALL.size,
            {
                "priorities differ": "jobs of different priorities waited at the same time",
                "one came back": "a job came back while another of its priority waited",
            },
            (
                "Which rule is asked first? What came back goes before others of its own priority.",
                "Whenever somebody waits, somebody is next: `None` is the answer to an empty list.",
                "Do you remember jobs from one call to the next? One that you saw may come again.",
            ),
        ),
    ),
    rules,
)
