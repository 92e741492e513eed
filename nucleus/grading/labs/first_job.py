"""Lab 1: a client program that submits and waits.

The student's ``first_jobs`` gets a client with the words of the real one. Behind it is a small
queue on a simulated clock: the seed decides how long each job takes, so in which order they
end, and which of them fail. What the program says to the client is written down, and judged.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from nucleus.core.errors import InvalidArgument, JobFailed
from nucleus.grading.facade import Facade
from nucleus.grading.lab import Finding, Lab, Part, Play, PlayIt, Thing
from nucleus.grading.witness import Witness
from nucleus.history.diagram import Arrow, Diagram, Mark

JOB = "Root"
WORKERS = 2
CALL = 0.01  # seconds that a word to the client takes, simulated
PROGRAM, QUEUE = "program", "queue"

ORDER = "in-the-order-asked"
COMPLETE = "nothing-is-lost"
TOLD = "a-failure-is-told"
FIRST = "all-before-the-first-wait"
ONCE = "one-job-each"
AWAITED = "every-handle-is-awaited"

PROMISES = {
    ORDER: "The results come in the order in which they were asked for.",
    COMPLETE: "There is an answer for each number, whatever becomes of the other jobs.",
    TOLD: "For a job that failed, the answer is the text of its error.",
    FIRST: "All jobs are submitted before anything is asked of a handle.",
    ONCE: "For each number in the list one job is submitted, and no other.",
    AWAITED: "The end of every job is waited for, with result() or exception().",
}


# ---- a queue ----------------------------------------------------------------------------


@dataclass(slots=True)
class Tape:
    """What a program and its queue said to each other."""

    now: float = 0.0  # seconds, simulated
    arrows: list[Arrow] = field(default_factory=list)
    asked: int = 0  # times, of handles

    def ask(self, what: str) -> None:
        """The program says something."""
        self.arrows.append(Arrow(self.now, self.now + CALL, PROGRAM, QUEUE, what))
        self.now += CALL

    def answer(self, what: str) -> None:
        """The queue answers."""
        self.arrows.append(Arrow(self.now, self.now + CALL, QUEUE, PROGRAM, what))
        self.now += CALL


@dataclass(eq=False, slots=True)
class Handle:
    """A job, with the words of a ``nucleus.JobHandle``."""

    _tape: Tape
    _name: str
    _payload: int
    _end: float  # seconds, simulated
    _error: Exception | None
    awaited: bool = False

    def __repr__(self) -> str:
        return f"<Handle {self._name} {JOB}({self._payload})>"

    def result(self, timeout: float | None = None) -> int:
        """Wait for the result, at most ``timeout`` seconds; raises the error of the job."""
        error = self._wait("result()", timeout)
        if error is not None:
            raise error
        return isqrt(self._payload)

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Wait for the end; the error, or ``None`` for a completed job."""
        error = self._wait("exception()", timeout)
        if isinstance(error, CancelledError):
            raise error
        return error

    def done(self) -> bool:
        """Whether the job has ended."""
        self._ask("done()")
        done = self._end <= self._tape.now
        self._tape.answer("yes" if done else "not yet")
        return done

    def cancel(self) -> bool:
        """Cancel the job, if it has not ended; whether it is cancelled now."""
        self._ask("cancel()")
        if self._end > self._tape.now:
            self._end, self._error = self._tape.now, CancelledError()
        return isinstance(self._error, CancelledError)

    def _ask(self, what: str) -> None:
        self._tape.asked += 1
        self._tape.ask(f"{self._name}.{what}")

    def _wait(self, what: str, timeout: float | None) -> Exception | None:
        self._ask(what)
        if timeout is not None and self._end > self._tape.now + timeout:
            self._tape.now += max(timeout, 0.0)
            raise TimeoutError(f"{self._name} has not ended within {timeout} s")
        self._tape.now = max(self._tape.now, self._end)
        self.awaited = True
        self._tape.answer(f"{self._name} {'failed' if self._error else 'completed'}")
        return self._error


@dataclass(frozen=True, slots=True)
class Task:
    """A number of the list, and what the seed has in store for its job."""

    number: int
    seconds: float
    error: str | None

    @property
    def answer(self) -> int | str:
        """What the program should say of it."""
        return isqrt(self.number) if self.error is None else self.error


class Client:
    """The words of a ``nucleus.Client`` that this lab needs, and what was said."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tape = Tape()
        self.handles: list[Handle] = []
        self.submitted: list[int] = []  # the numbers, in order
        self.early: Finding | None = None  # it asked, and then submitted more
        self._tasks = list(tasks)  # that no job stands for yet
        self._spare = {task.number: task for task in self._tasks}
        self._free = [0.0] * WORKERS

    def __repr__(self) -> str:
        return "<Client>"

    def submit(self, job_type: str, payload: int) -> Facade:
        """Submit a job; return its handle at once."""
        if job_type != JOB:
            raise InvalidArgument(f"job_type: {job_type!r} is unknown; allowed: {JOB!r}")
        if type(payload) is not int or payload not in self._spare:
            raise InvalidArgument(f"payload: {payload!r} is none of the numbers")
        name = f"job {len(self.handles) + 1}"
        self.tape.ask(f"submit {payload}: {name}")
        if self.tape.asked and self.early is None:
            what = f"{name} was submitted when something had been asked of a handle."
            self.early = Finding(FIRST, PROMISES[FIRST], what, self.tape.now)
        handle = self._take(name, self._task(payload))
        self.handles.append(handle)
        self.submitted.append(payload)
        return Facade(handle, "result", "exception", "done", "cancel")

    def _task(self, number: int) -> Task:
        task = next((t for t in self._tasks if t.number == number), self._spare[number])
        if task in self._tasks:
            self._tasks.remove(task)
        return task

    def _take(self, name: str, task: Task) -> Handle:
        worker = self._free.index(min(self._free))
        start = max(self._free[worker], self.tape.now)
        self._free[worker] = end = start + task.seconds
        error = None if task.error is None else JobFailed(task.error)
        return Handle(self.tape, name, task.number, end, error)


@dataclass(frozen=True, slots=True)
class World:
    """What kind of lists a part has."""

    failing: bool = False
    twice: bool = False  # a number can be in the list more than once

    def tasks(self, seed: int, kept: Collection[int] | None = None) -> list[Task]:
        """The tasks of ``seed``, or these of them."""
        luck = random.Random(f"{seed}/first")
        numbers = [n * n for n in luck.sample(range(2, 40), luck.randint(4, 7))]
        if self.twice:
            numbers.insert(luck.randrange(len(numbers)), luck.choice(numbers))
        bad = {n for n in numbers if self.failing and luck.random() < 0.3}
        tasks = [Task(n, luck.randint(2, 30) / 10, _error(n, bad)) for n in numbers]
        return [task for n, task in enumerate(tasks) if kept is None or n in kept]

    def size(self, seed: int) -> int:
        """Numbers in the list of ``seed``."""
        return len(self.tasks(seed))


def _error(number: int, bad: Collection[int]) -> str | None:
    return f"ValueError: no root of {number} today" if number in bad else None


# ---- judging ----------------------------------------------------------------------------

Judged = Callable[[Client, list[Task]], Finding | None]


def _playing(world: World, *rules: Judged, answers: bool = True) -> PlayIt:
    def play(thing: Thing, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
        tasks = world.tasks(seed, kept)
        client = Client(tasks)
        failure: list[JobFailed] = []

        def program(numbers: list[int]) -> Any:
            try:
                return thing(Facade(client, "submit"), numbers)
            except JobFailed as error:  # a finding of its own, not an accident
                failure.append(error)
                return None

        answer = witness.ask(program, [task.number for task in tasks])
        if failure:
            what = f"A job failed, and all answers with it: {failure[0]}."
            witness.note(Finding(COMPLETE, PROMISES[COMPLETE], what, client.tape.now))
        elif answers and not witness.failed:
            _compare(witness, answer, tasks, client.tape.now)
        for rule in rules:
            finding = None if witness.failed else rule(client, tasks)
            if finding is not None:
                witness.note(finding)
        broken = witness.findings[0] if witness.findings else None
        return Play(tuple(witness.findings), _seen(client, tasks), lambda: _draw(client, broken))

    return play


def _compare(witness: Witness, answer: Any, tasks: list[Task], now: float) -> None:
    right = [task.answer for task in tasks]
    if type(answer) is not list or any(type(said) not in (int, str, type(None)) for said in answer):
        witness.wrong(f"first_jobs returned {witness.said:.120}, which is no list of answers.")
        return
    if answer == right:
        return
    if len(answer) != len(right):
        name, what = COMPLETE, f"{len(right)} numbers were asked for, and {len(answer)} answered."
    elif sorted(map(str, answer)) == sorted(map(str, right)):
        name, what = ORDER, f"The results are {right}, and first_jobs returned {answer}."
    else:
        task, said = next((t, a) for t, a in zip(tasks, answer, strict=True) if a != t.answer)
        name = COMPLETE if task.error is None else TOLD
        what = f"The answer for {task.number} is {task.answer!r}, and first_jobs said {said!r}."
    witness.note(Finding(name, PROMISES[name], what, now))


def _all_first(client: Client, tasks: list[Task]) -> Finding | None:
    return client.early


def _one_each(client: Client, tasks: list[Task]) -> Finding | None:
    wanted, got = Counter(task.number for task in tasks), Counter(client.submitted)
    for number, count in wanted.items():
        if got[number] != count:
            what = f"{number} is in the list {count} x, and was submitted {got[number]} x."
            return Finding(ONCE, PROMISES[ONCE], what, client.tape.now)
    return None


def _awaited(client: Client, tasks: list[Task]) -> Finding | None:
    for n, handle in enumerate(client.handles, start=1):
        if not handle.awaited:
            what = f"Nobody waited for the end of job {n}."
            return Finding(AWAITED, PROMISES[AWAITED], what, client.tape.now)
    return None


def _seen(client: Client, tasks: list[Task]) -> Counter[str]:
    numbers = [task.number for task in tasks]
    seconds = [task.seconds for task in tasks]
    return Counter(
        several=len(tasks) > 1,
        overtaken=seconds != sorted(seconds),
        failed=any(task.error for task in tasks) and any(not task.error for task in tasks),
        twice=len(set(numbers)) < len(numbers),
    )


def _draw(client: Client, broken: Finding | None) -> Diagram:
    marks = () if broken is None else (Mark(client.tape.now, PROGRAM, broken.name, fault=True),)
    return Diagram((PROGRAM, QUEUE), tuple(client.tape.arrows), marks)


_CALM, _FAILING, _ALL = World(), World(failing=True), World(failing=True, twice=True)
_FAILED = "a job failed among others that did not"

LAB = Lab(
    "01-first-job",
    "First job",
    "first_jobs",
    (
        Part(
            "A",
            "In the order asked",
            3,
            "The results come in the order asked, in whichever order the jobs end.",
            _playing(_CALM),
            _CALM.size,
            {"overtaken": "a job took less time than one before it"},
            (
                "submit returns a handle, and not a result. What does handle.result() do?",
                "Jobs overtake each other. Your list of handles does not change its order.",
            ),
        ),
        Part(
            "B",
            "Submit first, then wait",
            3,
            "All jobs are submitted before anything is asked of a handle.",
            _playing(_CALM, _one_each, _all_first, answers=False),
            _CALM.size,
            {"several": "there was more than one number"},
            (
                "There are two workers. How many of them work while you wait for the first job?",
                "Two loops: one that submits, and then one that waits.",
                "A generator, (… for …), does nothing until somebody wants its next value.",
            ),
        ),
        Part(
            "C",
            "A failure is told",
            2,
            "A job that failed is told, and does not lose the others.",
            _playing(_FAILING),
            _FAILING.size,
            {"failed": _FAILED},
            (
                "For a job that failed, result() raises. Who catches it, and how much is skipped?",
                "The answer is str(error), at the place of its number.",
            ),
        ),
        Part(
            "D",
            "Nothing twice, nothing forgotten",
            2,
            "One job is submitted for each number in the list, and every handle is waited for.",
            _playing(_ALL, _one_each, _awaited),
            _ALL.size,
            {"failed": _FAILED, "twice": "a number was in the list twice"},
            (
                "The same number twice is two jobs. Does your program keep both handles?",
                "The queue has tried a failed job again by itself, before it tells you.",
            ),
        ),
    ),
)
