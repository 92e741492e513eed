"""Plays on the simulator: a small world of its own for each schedule, and the real ledger in it.

A :class:`Scenario` says what kind of world; a seed decides the rest. :func:`on_the_simulator`
makes of it, of the rules that a student's code stands in, and of the promises that are to
hold, what a :class:`~nucleus.grading.lab.Part` plays.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nucleus.core.events import JobSubmitted
from nucleus.core.job import JobSpec
from nucleus.core.refusals import one_line
from nucleus.core.rules import Rules
from nucleus.grading.lab import Finding, Play, Thing
from nucleus.grading.witness import LENGTH, WRONG_ANSWER, Witness, expected
from nucleus.history.diagram import MASTER, Diagram, Mark, draw
from nucleus.history.history import History
from nucleus.history.invariants import Breach, Invariant
from nucleus.history.observations import Raised
from nucleus.history.promises import INVARIANTS
from nucleus.history.replay import Replay
from nucleus.history.shrink import shrink_history
from nucleus.sim.faults import BY_NAME
from nucleus.sim.plan import Cancel, Item, Plan, Submit, Team, trouble
from nucleus.sim.run import Run, simulate

DRAWN = 5  # jobs in one picture
SUBMITTED = "a job was submitted, which had to end"  # what ``every-job-ends`` is about
AFTERMATH = 0.2  # seconds after a breach that are drawn: so that its message arrives
_JOB_ID = re.compile(r"\bsim\d+-0*(\d+)")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of world. Ranges are at least and at most; times in seconds."""

    jobs: tuple[int, int] = (4, 12)
    submitting: float = 3.0  # within which they are submitted
    moments: int = 5  # within that: several are submitted at once
    kinds: Mapping[str, int] = field(default_factory=lambda: {"quick": 1, "slow": 2})  # weights
    priorities: Sequence[int] = (0,)
    delayed: float = 0.0  # share of the jobs that are to run later
    cancelled: float = 0.0  # share of the jobs that somebody cancels
    max_attempts: Sequence[int] = (3,)
    troubles: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # how many of a fault
    workers: int = 2
    slots: tuple[int, int] = (1, 1)
    storm: float = 12.0  # in which things go wrong
    calm: float = 80.0  # that jobs have to end afterwards

    @property
    def team(self) -> Team:
        """Who takes part."""
        names = tuple(f"worker-{number}" for number in range(1, self.workers + 1))
        return Team(names, ("client",), self.slots, specialists=False, max_queued=(1000,))

    def plan(self, seed: int) -> Plan:
        """What will happen with this seed."""
        return Plan(
            seed,
            frozenset(self.troubles),
            tuple(self._items(random.Random(f"{seed}/lab"))),
            self.team,
            self.storm,
            self.calm,
        )

    def _items(self, luck: random.Random) -> Iterator[Item]:
        count = luck.randint(*self.jobs)
        submits = [self._submit(luck) for _ in range(count)]
        yield from submits
        for number, submit in enumerate(submits):
            if luck.random() < self.cancelled:
                yield Cancel(submit.at + luck.expovariate(0.5), number)
        for kind, many in self.troubles.items():
            for _ in range(luck.randint(*many)):
                yield trouble(luck, BY_NAME[kind], self.team, self.storm)

    def _submit(self, luck: random.Random) -> Submit:
        kind = luck.choices(list(self.kinds), list(self.kinds.values()))[0]
        delay = luck.uniform(0.5, 5.0) if luck.random() < self.delayed else 0.0
        spec = JobSpec(
            kind, "1", luck.choice(self.priorities), delay, luck.choice(self.max_attempts)
        )
        at = 0.1 + self.submitting * luck.randrange(self.moments) / self.moments
        return Submit(at, self.team.clients[0], spec)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Plays ``scenario`` with a student's code in it, and holds ``promises`` against the run.

    A promise is the name of an invariant of ``docs/promises.md``, or one of a lab's own. They
    are told of in this order. ``draw`` draws a breach; else it is the story of the jobs.
    """

    scenario: Scenario
    rules: Callable[[Thing, Witness], Rules]
    promises: tuple[str | Invariant, ...]
    draw: Callable[[History, Breach], Diagram | None] | None = None

    def size(self, seed: int) -> int:
        """Entries of the plan of ``seed``."""
        return len(self.scenario.plan(seed).items)

    def play(self, thing: Thing, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
        """One schedule."""
        plan = self.scenario.plan(seed)
        run = simulate(seed, kept=kept, plan=plan, rules=self.rules(thing, witness))
        replay = Replay(run.history)
        seen = Counter(run.fired + run.seen + witness.seen)
        broken = list(self._broken(replay, seen))
        if witness.findings:
            jobs, at = list(witness.jobs), witness.findings[0].at
            breach = None if at is None else Breach(at, "")
            return Play(tuple(witness.findings), seen, lambda: draw_jobs(run.history, jobs, breach))
        findings = tuple(_accidents(run.history, witness.entry)) or tuple(
            _finding(rule, breach, witness.remarks.get(rule.name, "")) for rule, breach in broken
        )
        return Play(findings, seen, lambda: self._tell(run, broken))

    def _broken(self, replay: Replay, seen: Counter[str]) -> Iterator[tuple[Invariant, Breach]]:
        for promise in self.promises:
            rule = INVARIANTS[promise] if isinstance(promise, str) else promise
            verdicts = list(rule.check(replay))
            seen[rule.name] += len(verdicts)
            breach = next((verdict for verdict in verdicts if verdict is not None), None)
            if breach is not None:
                yield rule, breach

    def _tell(self, run: Run, broken: list[tuple[Invariant, Breach]]) -> Diagram | None:
        if not broken:
            return None
        rule, breach = broken[0]
        if self.draw is not None:
            return self.draw(run.history, breach)
        jobs = [breach.job]
        if INVARIANTS.get(rule.name) is rule:
            jobs += _jobs_of(shrink_history(run.history, rule.name))
        return draw_jobs(run.history, jobs, breach)


def in_words(text: str) -> str:
    """``text`` with ``job 7`` in the place of a job's id."""
    return _JOB_ID.sub(r"job \1", text)


def _finding(rule: Invariant, breach: Breach, remark: str) -> Finding:
    what = in_words(breach.what)
    return Finding(rule.name, rule.sentence, f"{what}: {remark}" if remark else what, breach.at)


def _accidents(history: History, entry: str) -> Iterator[Finding]:
    """What broke in the world itself, which is whole without their code."""
    for seen in history.observations:
        if isinstance(seen, Raised):
            error = one_line(in_words(seen.error), LENGTH)
            yield expected(WRONG_ANSWER, f"The queue broke on what {entry} did: {error}.")


def _jobs_of(history: History) -> list[str]:
    events = (seen.event for seen in history.events())
    return [event.job_id for event in events if isinstance(event, JobSubmitted)]


def draw_jobs(
    history: History, jobs: Iterable[str], breach: Breach | None = None
) -> Diagram | None:
    """The story of ``jobs``, up to the breach, if there is one."""
    known = _jobs_of(history)
    shown = list(dict.fromkeys(job for job in jobs if job in known))[:DRAWN] or known[:DRAWN]
    if not shown:
        return None
    if breach is not None:
        until = breach.at + AFTERMATH
        seen = [o for o in history.observations if o.at <= until]
        history = replace(history, observations=seen)
    diagram = draw(history, shown)
    return diagram if breach is None else marked(diagram, breach)


def marked(diagram: Diagram, breach: Breach) -> Diagram:
    """With a mark where the promise broke."""
    mark = Mark(breach.at, MASTER, "here the promise breaks", fault=True)
    return replace(diagram, marks=tuple(sorted((*diagram.marks, mark), key=_at)))


def _at(mark: Any) -> float:
    return float(mark.at)
