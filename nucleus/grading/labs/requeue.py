"""Lab 4: what becomes of the jobs of a lost worker?

The student's ``recover`` stands in a queue that is a plain list. When jobs come back it is asked
for a new line, of these and of those that wait; the real ledger leases what stands first.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nucleus.core.job import Job
from nucleus.core.ready import place
from nucleus.core.rules import OURS, Rules
from nucleus.grading.lab import Finding, Lab, Part, Thing
from nucleus.grading.simulated import Scenario, Simulated
from nucleus.grading.witness import Witness, same

SCATTER = 2_654_435_761  # Knuth's multiplier: numbers times it are in no order that one would see

NOTHING_LOST = "nothing-is-lost"
NOTHING_INVENTED = "nothing-is-invented"
PROMISES = {
    NOTHING_LOST: "Every job that came back, and every job that waited, stands in the new line.",
    NOTHING_INVENTED: "Nothing else stands in the new line, and no job stands in it twice.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A job that stands in line, or that comes back to it, as ``recover`` sees it."""

    number: int  # counts up with every job that comes in: the smallest is the oldest
    priority: int  # a larger one goes first
    came_back: bool  # a worker had it before, and did not finish it


Recover = Callable[[list[Standing], list[Standing]], list[Standing]]


class RecoveringQueue:
    """A line of jobs; somebody else says where those stand that come back."""

    def __init__(self, recover: Recover, witness: Witness) -> None:
        self._recover, self._witness = recover, witness
        self._line: list[Job] = []
        self._back: list[Job] = []  # they came back, and nobody has said yet where they stand
        self._delayed: list[Job] = []
        self._now = 0.0  # Unix seconds

    def __len__(self) -> int:
        """Queued jobs, those that wait for their time included."""
        return len(self._line) + len(self._back) + len(self._delayed)

    @property
    def size(self) -> int:
        """Characters in the payloads of queued jobs."""
        return sum(len(job.payload) for job in (*self._line, *self._back, *self._delayed))

    @property
    def startable(self) -> bool:
        """Whether any job may run now."""
        return bool(self._line or self._back)

    def push(self, job: Job, now: float) -> None:
        """Take in a QUEUED job."""
        self._now = now
        if job.not_before > now:
            self._delayed.append(job)
        elif job.front:
            self._back.append(job)
        else:
            self._join(job)

    def extend(self, jobs: Sequence[Job], now: float) -> None:
        """Take in QUEUED jobs."""
        for job in jobs:
            self.push(job, now)

    def _join(self, job: Job) -> None:
        """Stand behind all that are not behind ``job``."""
        index = len(self._line)
        while index and place(self._line[index - 1]) > place(job):
            index -= 1
        self._line.insert(index, job)

    def cancelled(self, job: Job) -> None:
        """Note that ``job`` left the queue from where it stood."""
        for jobs in (self._line, self._back, self._delayed):
            jobs[:] = [other for other in jobs if other is not job]

    def wake(self, now: float) -> None:
        """Let in the delayed jobs whose time has come."""
        due = [job for job in self._delayed if job.not_before <= now]
        self._delayed = [job for job in self._delayed if job.not_before > now]
        for job in sorted(due, key=place):
            self._join(job)

    def head(self, job_types: Collection[str]) -> Job | None:
        """The first in line of these types."""
        if self._back:
            self._line, self._back = self._recovered(), []
        return next((job for job in self._line if job.job_type in job_types), None)

    def pop(self, job: Job) -> None:
        """Take out ``job``, which :meth:`head` has just named."""
        self._line.remove(job)

    def waiting_since(self) -> float | None:
        """The time from which the longest-waiting job could run, in Unix seconds."""
        times = [job.not_before for job in (*self._line, *self._back)]
        return min(times, default=None)

    # ---- asking -----------------------------------------------------------------------

    def _recovered(self) -> list[Job]:
        """The new line; ours, when theirs lacks a job or has one that it should not have."""
        self._count()
        jobs = {job.number: job for job in (*self._line, *self._back)}
        back = sorted(map(_view, self._back), key=lambda view: view.number * SCATTER % 2**32)
        line = list(map(_view, self._line))
        # Copies: whoever means to can change them, and ours are what an answer is held against.
        given = ([replace(view) for view in views] for views in (back, line))
        answer = self._witness.ask(self._recover, *given)
        if self._makes_sense(answer, [*back, *line]):
            return [jobs[view.number] for view in answer]
        return sorted(jobs.values(), key=place)

    def _makes_sense(self, answer: Any, given: list[Standing]) -> bool:
        if self._witness.failed:
            return False
        names = [job.id for job in self._back]
        if type(answer) is not list:
            said = self._witness.said
            self._witness.wrong(f"recover returned {said:.80}, which is not a list", *names)
            return False
        strange = [thing for thing in answer if not any(same(view, thing) for view in given)]
        times = Counter(view.number for view in answer) if not strange else Counter()
        if strange:
            what = f"{len(strange)} of what recover returned is nothing that it was given"
            self._broken(NOTHING_INVENTED, what, names)
        elif twice := [number for number, count in times.items() if count > 1]:
            what = f"{_words(twice)} more than once in the list that recover returned"
            self._broken(NOTHING_INVENTED, what, self._ids(twice))
        elif missing := [view.number for view in given if view.number not in times]:
            what = f"{_words(missing)} nowhere in the list that recover returned"
            self._broken(NOTHING_LOST, what, self._ids(missing))
        else:
            return True
        return False

    def _broken(self, name: str, what: str, jobs: list[str]) -> None:
        self._witness.note(Finding(name, PROMISES[name], what, self._now), *jobs)

    def _ids(self, numbers: list[int]) -> list[str]:
        return [job.id for job in (*self._back, *self._line) if job.number in numbers]

    def _count(self) -> None:
        seen = self._witness.seen
        seen["came back"] += 1
        seen["others waited"] += any(not job.front for job in self._line)
        seen["several came back"] += len(self._back) > 1
        seen["one was back before"] += any(job.front for job in self._line)
        seen["priorities differ"] += len({job.priority for job in (*self._back, *self._line)}) > 1


def _view(job: Job) -> Standing:
    return Standing(job.number, job.priority, job.front)


def _words(numbers: list[int]) -> str:
    jobs = ", ".join(f"job {number}" for number in numbers)
    return f"{jobs} {'is' if len(numbers) == 1 else 'are'}"


def rules(recover: Thing, witness: Witness) -> Rules:
    """What a ledger goes by that asks ``recover``."""
    return replace(OURS, queue=lambda: RecoveringQueue(recover, witness))


_BACK = "requeued-goes-before-new"
_FIFO = "first-in-is-first-out"
_PRIORITY = "priority-goes-first"
_ENDS = "every-job-ends"
_WORK = {"quick": 1, "slow": 4}

_CRASHES = Simulated(
    Scenario(jobs=(4, 9), kinds=_WORK, max_attempts=(5,), troubles={"worker-crash": (1, 3)}),
    rules,
    (_ENDS,),
)
_FIRST = Simulated(
    Scenario(jobs=(6, 12), kinds=_WORK, max_attempts=(5,), troubles={"worker-crash": (1, 3)}),
    rules,
    (_ENDS, _BACK),
)
_OLDEST = Simulated(
    Scenario(
        jobs=(8, 14),
        kinds={"slow": 1},
        max_attempts=(6,),
        slots=(2, 3),
        troubles={"worker-crash": (2, 4), "zombie": (1, 2)},
        storm=5.0,  # several are lost shortly after one another
    ),
    rules,
    (_ENDS, _BACK, _FIFO),
)
_ALL = Simulated(
    Scenario(
        jobs=(8, 16),
        kinds={"quick": 1, "slow": 4, "flaky": 3},
        priorities=(0, 0, 0, 5, -3),
        max_attempts=(6,),
        delayed=0.2,
        cancelled=0.1,
        slots=(1, 3),
        troubles={"worker-crash": (2, 4), "zombie": (0, 1), "dismissed": (0, 1)},
        storm=6.0,  # as above
    ),
    rules,
    (_ENDS, _PRIORITY, _BACK, _FIFO),
)

LAB = Lab(
    "04-requeue",
    "Re-queue",
    "recover",
    (
        Part(
            "A",
            "Nothing lost, nothing invented",
            3,
            "All that came back, and all that waited, is in the new line, once.",
            _CRASHES.play,
            _CRASHES.size,
            {"came back": "a worker was lost while it had a job"},
            (
                "Count: how many jobs go in, and how many come out?",
                "`extend`, `sort` and `insert` change a list, and return `None`.",
            ),
        ),
        Part(
            "B",
            "They go first",
            3,
            "A job that came back goes before every job that no worker has had yet.",
            _FIRST.play,
            _FIRST.size,
            {"others waited": "a job came back while others waited"},
            (
                "Who has waited longest?",
                "The new line is read from the left: its first job is the next to go.",
            ),
        ),
        Part(
            "C",
            "The oldest first",
            2,
            "Among the jobs that came back the oldest goes first, also when they came back at"
            " different times; the others keep their order.",
            _OLDEST.play,
            _OLDEST.size,
            {
                "several came back": "several jobs came back at once",
                "one was back before": "a job came back while another waited that had come back",
            },
            (
                "`lost` is in no order.",
                "Two workers are lost, one shortly after the other. Look at `came_back` of those"
                " that wait.",
            ),
        ),
        Part(
            "D",
            "All at once",
            2,
            "With priorities, delays, failures and cancelled jobs, the order holds: within each"
            " priority, what came back goes first.",
            _ALL.play,
            _ALL.size,
            {
                "priorities differ": "jobs of different priorities came together",
                "one was back before": "a job came back while another waited that had come back",
            },
            (
                "A job that came back does not go before a job of higher priority.",
                "Jobs that wait are in their right order, and it is not always that of their"
                " numbers: a delayed one is younger than it looks. `sorted` leaves what is equal"
                " in the order in which it was.",
            ),
        ),
    ),
    rules,
)
