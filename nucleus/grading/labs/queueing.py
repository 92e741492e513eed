"""Lab 7: L, λ, W and utilisation, measured from a trace, exactly.

A trace is a few jobs and workers, in whole milliseconds; what is measured of it are fractions,
so that Little's law, L = λ W, holds to the last digit or not at all. Workers fail, jobs come
back and are cancelled; and in the last part the observer leaves while jobs are still there.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from nucleus.core.facts import fact
from nucleus.grading.lab import Finding, Lab, Part, Play, PlayIt, Thing
from nucleus.grading.witness import Witness
from nucleus.history.diagram import Arrow, Diagram, Mark

Figures = Mapping[str, Fraction | None]

RATE, TIME, NUMBER, BUSY = "arrival_rate", "time_in_system", "number_in_system", "utilisation"
LITTLE = "littles-law"

PROMISES = {
    RATE: "λ is the number of jobs that arrived, divided by the time of observation.",
    TIME: "W is the mean time from the arrival of a job to its end, of those that ended.",
    NUMBER: "L is the number of jobs in the system, averaged over the time of observation.",
    BUSY: "Utilisation is the share of the workers' time in which they had a job.",
    LITTLE: "When every job has ended, L = λ W, exactly.",
}


@fact
class Event:
    """Something that happened to a job: it arrives, starts, returns to the queue, or ends."""

    at: int  # milliseconds
    what: str  # "arrives", "starts", "returns", "ends"
    job: int


@fact
class Trace:
    """What was observed from ``begin`` to ``end`` (milliseconds); nobody was there before."""

    begin: int
    end: int
    workers: int
    events: tuple[Event, ...]  # by time


# ---- traces ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    arrives: int  # milliseconds
    runs: tuple[int, ...]  # milliseconds of each attempt; the last one ends it
    patience: int | None  # milliseconds until it is cancelled, if it still waits


@dataclass(frozen=True, slots=True)
class World:
    """What kind of traces a part has."""

    trouble: bool = False  # jobs come back, or are cancelled while they wait
    cut: bool = False  # the observer leaves while jobs are there

    def trace(self, seed: int, kept: Collection[int] | None = None) -> Trace:
        """The trace of ``seed``, with these of its jobs or all."""
        luck = random.Random(f"{seed}/trace")
        workers, begin = luck.randint(1, 3), luck.randrange(1, 9) * 1000
        jobs = list(self._jobs(luck, begin))
        tail, leave = luck.randrange(1, 9) * 100, luck.randint(4, 8)
        kept_jobs = [job for n, job in enumerate(jobs) if kept is None or n in kept]
        events = sorted(_run(kept_jobs, workers), key=lambda event: event.at)
        end = max((event.at for event in events), default=begin) + tail
        if self.cut:
            end = begin + (end - begin) * leave // 10
        return Trace(begin, end, workers, tuple(e for e in events if e.at <= end))

    def size(self, seed: int) -> int:
        """Jobs in the trace of ``seed``."""
        luck = random.Random(f"{seed}/trace")
        begin = (luck.randint(1, 3), luck.randrange(1, 9) * 1000)[1]
        return len(list(self._jobs(luck, begin)))

    def _jobs(self, luck: random.Random, begin: int) -> Iterator[_Job]:
        at = begin
        for number in range(1, luck.randint(4, 9) + 1):
            at += luck.choice((0, 100, 300, 700))
            attempts = luck.choice((1, 1, 2, 3)) if self.trouble else 1
            patience = 200 if self.trouble and luck.random() < 0.3 else None
            runs = tuple(luck.randrange(2, 14) * 100 for _ in range(attempts))
            yield _Job(number, at, runs, patience)


def _run(jobs: list[_Job], workers: int) -> Iterator[Event]:
    """First come, first served; what comes back waits at the place of its new arrival."""
    free = [0] * workers  # when each of them is
    waiting = [(job.arrives, job.number, job, 0) for job in jobs]
    yield from (Event(job.arrives, "arrives", job.number) for job in jobs)
    while waiting:
        waiting.sort(key=lambda entry: entry[:2])
        since, number, job, attempt = waiting.pop(0)
        worker = free.index(min(free))
        start = max(since, free[worker])
        if attempt == 0 and job.patience is not None and start > since + job.patience:
            yield Event(since + job.patience, "ends", number)
            continue
        free[worker] = stop = start + job.runs[attempt]
        yield Event(start, "starts", number)
        last = attempt + 1 == len(job.runs)
        yield Event(stop, "ends" if last else "returns", number)
        if not last:
            waiting.append((stop, number, job, attempt + 1))


# ---- what is right --------------------------------------------------------------------


def figures(trace: Trace) -> Figures:
    """The four figures of a trace, exactly."""
    arrived: dict[int, int] = {}
    running: dict[int, int] = {}
    times: list[int] = []
    busy = 0
    for event in trace.events:
        if event.what == "arrives":
            arrived[event.job] = event.at
        elif event.what == "starts":
            running[event.job] = event.at
        else:
            busy += event.at - running.pop(event.job, event.at)
        if event.what == "ends":
            times.append(event.at - arrived[event.job])
    spent = sum(times) + sum(trace.end - at for at in _left(trace, arrived))
    busy += sum(trace.end - at for at in running.values())
    span = trace.end - trace.begin
    return {
        RATE: Fraction(len(arrived), span),
        TIME: Fraction(sum(times), len(times)) if times else None,
        NUMBER: Fraction(spent, span),
        BUSY: Fraction(busy, span * trace.workers),
    }


def _left(trace: Trace, arrived: Mapping[int, int]) -> list[int]:
    """When those arrived that are still there at the end."""
    ended = {event.job for event in trace.events if event.what == "ends"}
    return [at for job, at in arrived.items() if job not in ended]


# ---- a schedule -----------------------------------------------------------------------


def _playing(world: World, *graded: str) -> PlayIt:
    def play(thing: Thing, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
        trace = world.trace(seed, kept)
        answer = witness.ask(thing, trace)
        if not witness.failed:
            _compare(witness, answer, trace, graded)
        return Play(tuple(witness.findings), _seen(trace), lambda: _draw(trace))

    return play


def _compare(witness: Witness, answer: object, trace: Trace, graded: Collection[str]) -> None:
    if type(answer) is not dict:
        witness.wrong(f"measure answered {witness.said}, which is no dict.")
        return
    right = figures(trace)
    for key in graded:
        said = answer.get(key)
        if key == LITTLE:
            _little(witness, [answer.get(part) for part in (NUMBER, RATE, TIME)])
        elif key not in answer:
            witness.wrong(f"There is no {key} in the dict.")
        elif said is not None and type(said) not in (int, Fraction):
            witness.wrong(f"{key} is of type {type(said).__name__}: no int, Fraction or None.")
        elif said != right[key]:
            what = f"{key} is {right[key]}, and measure said {said}."
            witness.note(Finding(key, PROMISES[key], what))


def _little(witness: Witness, said: list[object]) -> None:
    exact = [x for x in said if isinstance(x, int | Fraction)]
    if len(exact) < len(said):
        return  # another finding tells of it, or nobody ended
    number, rate, time = exact
    if number != rate * time:
        what = f"L is {number}, and λ W is {rate * time}."
        witness.note(Finding(LITTLE, PROMISES[LITTLE], what))


def _seen(trace: Trace) -> Counter[str]:
    seen = Counter(event.what for event in trace.events)
    starts = {event.job for event in trace.events if event.what == "starts"}
    ended = {event.job for event in trace.events if event.what == "ends"}
    seen["cancelled"] = len(ended - starts)
    seen["left"] = seen["arrives"] - seen["ends"]
    return seen


def _draw(trace: Trace) -> Diagram:
    """Clients, the system and its workers' doings, in seconds."""
    ways: dict[str, tuple[str, str]] = {
        "arrives": ("clients", "queue"),
        "starts": ("queue", "workers"),
        "returns": ("workers", "queue"),
    }
    started: set[int] = set()
    arrows = []
    for event in trace.events:
        home = ("workers" if event.job in started else "queue", "clients")
        at, ends = event.at / 1000, ways.get(event.what, home)
        arrows.append(Arrow(at, at, *ends, f"job {event.job} {event.what}"))
        if event.what == "starts":
            started.add(event.job)
    marks = (
        Mark(trace.begin / 1000, "queue", "observation begins"),
        Mark(trace.end / 1000, "queue", "observation ends"),
    )
    return Diagram(("clients", "queue", "workers"), tuple(arrows), marks)


_Size = Callable[[int], int]
_CALM, _TROUBLE, _CUT = World(), World(trouble=True), World(trouble=True, cut=True)
_BACK = "a job came back to the queue"

LAB = Lab(
    "07-queueing",
    "Queueing",
    "measure",
    (
        Part(
            "A",
            "Arrivals and times",
            2,
            "λ and W are what the trace says, to the last digit.",
            _playing(_CALM, RATE, TIME),
            _CALM.size,
            {"ends": "a job ended"},
            (
                "The time of observation is from trace.begin to trace.end.",
                "A job spends its time waiting and running. Where does it begin?",
            ),
        ),
        Part(
            "B",
            "Little's law",
            3,
            "L is the mean number of jobs in the system, and L = λ W, exactly.",
            _playing(_TROUBLE, LITTLE, NUMBER),
            _TROUBLE.size,
            {"returns": _BACK, "cancelled": "a job was cancelled while it waited"},
            (
                "Between two events the number of jobs does not change. For how long?",
                "A job that returns to the queue has never left the system.",
            ),
        ),
        Part(
            "C",
            "Utilisation",
            2,
            "Utilisation is the share of the workers' time in which they had a job.",
            _playing(_TROUBLE, BUSY),
            _TROUBLE.size,
            {"returns": _BACK, "cancelled": "a job was cancelled while it waited"},
            (
                "Every worker could have worked from trace.begin to trace.end.",
                "A worker was busy with an attempt that failed, and not with a job that waited.",
            ),
        ),
        Part(
            "D",
            "Before it is over",
            3,
            "All four are right when jobs are still there at the end of the observation.",
            _playing(_CUT, RATE, TIME, NUMBER, BUSY),
            _CUT.size,
            {"left": "a job was still there at the end", "returns": _BACK},
            (
                "Who is still there has been there until trace.end, and counts for L.",
                "Does L = λ W hold here? What does it need?",
            ),
        ),
    ),
)
