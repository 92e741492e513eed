"""Lab 8: an exporter, whose series vanish when nobody stands behind them.

Workers push how many jobs they have done; Prometheus comes and reads. A schedule is a script of
pushes, silence, farewells and scrapes on a simulated clock. What the student's exporter says at
a scrape goes through the parser of ``prometheus_client``, and is compared with what is so.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from nucleus.core.refusals import one_line
from nucleus.grading.lab import Finding, Lab, Part, Play, PlayIt, Thing
from nucleus.grading.witness import LENGTH, Witness
from nucleus.history.diagram import Arrow, Diagram

JOBS, AGE = "nucleus_worker_jobs_total", "nucleus_worker_age_seconds"
TYPES = {JOBS: "counter", AGE: "gauge"}
STALE = 30  # seconds of silence, after which a series is stale

FORMAT, VALUES, GROWS = "text-format", "values-are-the-latest", "age-grows"
VANISH, LIVING = "dead-series-vanish", "living-series-stay"

PROMISES = {
    FORMAT: "What a scrape reads is Prometheus' text format, with help and type.",
    VALUES: "A series has the value that was pushed last.",
    GROWS: "The age of a worker is the time since its last push.",
    VANISH: "A worker that is silent for more than 30 s, or has left, has no series.",
    LIVING: "A worker whose last push is not older than 30 s has its series.",
}

_PLAIN = ("worker-1", "worker-2", "worker-3")
_ODD = ('the "fast" one', "C:\\new", "two\nlines", "Grüße", "a,b={c}", "worker 4")


# ---- scripts --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to an exporter: a ``push``, a ``forget``, a ``text``."""

    at: int  # seconds
    what: str
    worker: str = ""
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """What kind of scripts a part has."""

    workers: tuple[str, ...] = _PLAIN
    pauses: tuple[int, ...] = (1, 3)  # seconds between two steps
    leaves: bool = False

    def steps(self, seed: int) -> list[Step]:
        """What happens in the schedule of ``seed``."""
        luck = random.Random(f"{seed}/metrics")
        return list(self._steps(luck))

    def size(self, seed: int) -> int:
        """Steps of the script of ``seed``."""
        return len(self.steps(seed))

    def _steps(self, luck: random.Random) -> Iterator[Step]:
        at, done = 1000, Counter[str]()
        kinds = ["push"] * 4 + ["text"] * 3 + ["forget"] * self.leaves
        for _ in range(luck.randint(12, 20)):
            at += luck.choice(self.pauses)
            what, worker = luck.choice(kinds), luck.choice(self.workers)
            if what == "push":
                started_again = luck.random() < 0.1
                done[worker] = 0 if started_again else done[worker] + luck.randint(0, 5)
            yield Step(at, what, "" if what == "text" else worker, done[worker])
        yield Step(at + luck.choice(self.pauses), "text")


# ---- a schedule -----------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """One exporter, and what it should know."""

    witness: Witness
    promises: tuple[str, ...]
    latest: dict[str, Step] = field(default_factory=dict)  # the last push of a worker
    seen: Counter[str] = field(default_factory=Counter)
    arrows: list[Arrow] = field(default_factory=list)

    def take(self, exporter: Any, step: Step) -> None:
        ask, at = self.witness.ask, step.at
        if step.what == "push":
            ask(lambda: exporter.push(at, step.worker, step.jobs))
            self.latest[step.worker] = step
            self._arrow(step, step.worker, "exporter", f"push {step.jobs}")
        elif step.what == "forget":
            ask(lambda: exporter.forget(step.worker))
            self.seen["forget"] += self.latest.pop(step.worker, None) is not None
            self._arrow(step, step.worker, "exporter", "forget")
        else:
            self._arrow(step, "exporter", "Prometheus", "text")
            text = ask(lambda: exporter.text(at))
            if not self.witness.failed:
                self._scraped(text, at)

    def _arrow(self, step: Step, sender: str, receiver: str, what: str) -> None:
        self.arrows.append(Arrow(step.at, step.at, repr(sender)[1:-1], receiver, what))

    def _scraped(self, text: object, at: int) -> None:
        if type(text) is not str:
            self.witness.wrong(f"text answered {self.witness.said}, which is no str.")
            return
        try:
            said = parsed(text)
        except Exception as error:  # the parser raises many kinds of it
            words = one_line(str(error), LENGTH)
            self._note(FORMAT, f"The text cannot be read: {words}.", at)
            return
        for worker in sorted(self.latest.keys() | {key[1] for key in said}):
            self._compare(said, worker, at)

    def _compare(self, said: dict[tuple[str, str], float], worker: str, at: int) -> None:
        push = self.latest.get(worker)
        for name in (JOBS, AGE):
            value = said.get((name, worker))
            if push is None or at - push.at > STALE:
                self.seen["stale"] += push is not None
                if value is not None:
                    self._note(VANISH, f"{name} of {worker!r} is still there.", at)
            elif value is None:
                self._note(LIVING, f"There is no {name} of {worker!r}.", at)
            else:
                right = push.jobs if name == JOBS else at - push.at
                self.seen["grown"] += name == AGE and right > 0
                if value != right:
                    what = f"{name} of {worker!r} is {right}, and the text says {value:g}."
                    self._note(VALUES if name == JOBS else GROWS, what, at)

    def _note(self, name: str, what: str, at: int) -> None:
        if name in self.promises:
            self.witness.note(Finding(name, PROMISES[name], what, at))

    def diagram(self) -> Diagram:
        names = dict.fromkeys(a.sender for a in self.arrows if a.sender != "exporter")
        return Diagram((*names, "exporter", "Prometheus"), tuple(self.arrows), ())


def parsed(text: str) -> dict[tuple[str, str], float]:
    """The value of each series, by its name and worker; raises ``ValueError`` where it is wrong.

    It asks for what ``promtool check metrics`` asks for, and for the types.
    """
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no line end")
    said: dict[tuple[str, str], float] = {}
    families: set[str] = set()
    for family in text_string_to_metric_families(text):
        if family.name in families:
            raise ValueError(f"{family.name} comes in two groups")
        families.add(family.name)
        for sample in family.samples:
            key = sample.name, sample.labels.get("worker", "")
            if TYPES.get(sample.name) != family.type:
                raise ValueError(f"{sample.name} has the type {family.type}")
            if not family.documentation:
                raise ValueError(f"{sample.name} has no help")
            if set(sample.labels) != {"worker"} or key in said:
                raise ValueError(f"{sample.name} has other labels than one worker, or is twice")
            said[key] = sample.value
    return said


def _playing(script: Script, *promises: str) -> PlayIt:
    def play(thing: Thing, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
        run = _Run(witness, promises)
        exporter = witness.make(thing)
        for number, step in enumerate(script.steps(seed)):
            if witness.findings:
                break
            if kept is None or number in kept:
                run.take(exporter, step)
        return Play(tuple(witness.findings), run.seen, run.diagram)

    return play


_ANY = Script(workers=(*_PLAIN[:1], *_ODD), pauses=(0, 1))  # nobody is silent for long
_LATEST = Script(pauses=(0, 1, 4, 9))
_SILENT = Script(pauses=(1, 5, 10, 30), leaves=True)

LAB = Lab(
    "08-metrics",
    "Metrics",
    "Exporter",
    (
        Part(
            "A",
            "A text that can be read",
            3,
            "The text is Prometheus' text format, whatever the workers are called.",
            _playing(_ANY, FORMAT, LIVING, VANISH),
            _ANY.size,
            {"grown": "a worker was there"},
            (
                "Each family has a HELP and a TYPE line, once, and then all its samples.",
                "In a label's value, a backslash, a quote and a line end are escaped.",
            ),
        ),
        Part(
            "B",
            "Values and ages",
            3,
            "The counter is what was pushed last, and the age is the time since.",
            _playing(_LATEST, FORMAT, VALUES, GROWS),
            _LATEST.size,
            {"grown": "a worker was silent for a while"},
            (
                "A worker that is started again counts from 0, and Prometheus knows what to do.",
                "An age is not stored: it is what time it is now, less the time of the push.",
            ),
        ),
        Part(
            "C",
            "Staleness",
            4,
            "The series of the dead and of those who left vanish, and those of the living stay.",
            _playing(_SILENT, FORMAT, VANISH, LIVING, VALUES, GROWS),
            _SILENT.size,
            {"stale": "a worker was silent for too long", "forget": "a worker left"},
            (
                "Whose last push is more than 30 s ago is not in the text. At 30 s it is.",
                "What does your exporter do when somebody comes back who was silent?",
            ),
        ),
    ),
)
