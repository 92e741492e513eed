"""What if the heartbeats had come at another interval, or the timeout had been another?

:func:`what_if` replays the heartbeats of a recorded run under other settings and tells how
long the master would have taken to notice each real death, and whom it would have buried
alive. A real death is a fault of a kind in ``DEATHS`` that hit a worker.

The model, and what it cannot say:

- *Rarer heartbeats* than recorded are the recorded ones, thinned: each one kept comes at least
  the new interval after the one before, less half a recorded interval, for arrivals jitter.
- *More frequent heartbeats* are filled in between recorded ones that came on time. Where one
  came late or not at all, nothing is filled in: nobody knows how much of the gap was silence.
  So pauses shorter than the recorded interval do not exist for the model, and a false death
  that only they could have caused is not counted.
- Time without a master judges nobody. When it ended was recorded (``Serving``); that it began
  with the last event committed before is an assumption.
- Work would have gone otherwise, and with it the load on the network. The model knows only
  the arrivals that were recorded.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median

from nucleus.core.events import WorkerJoined, WorkerLeft
from nucleus.history.history import History
from nucleus.history.observations import Beat, Committed, Fault, Serving

# Kinds of fault after which this incarnation of a worker never comes back.
DEATHS = ("crash", "worker-crash", "killer-job")
USUAL = 3.0  # seconds between heartbeats, where too few were seen to tell
ON_TIME = 1.5  # recorded intervals: after a longer gap a heartbeat was late, or one is missing


@dataclass(frozen=True, slots=True)
class Verdict:
    """The master gives up on a worker. One that it had given up on before it died has no delay."""

    worker: str
    at: float  # Unix seconds
    died: float | None  # Unix seconds; None: it was alive

    @property
    def delay(self) -> float:
        """Seconds from a real death to the verdict."""
        return self.at - (self.at if self.died is None else self.died)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would have happened under these settings."""

    timeout: float  # seconds
    interval: float  # seconds
    detections: tuple[Verdict, ...] = ()
    false_deaths: tuple[Verdict, ...] = ()
    unnoticed: tuple[str, ...] = ()  # workers that died; a newer one came, or the end, too soon

    @property
    def delays(self) -> list[float]:
        """Seconds from each noticed death to the verdict, the shortest first."""
        return sorted(found.delay for found in self.detections)

    @property
    def words(self) -> str:
        """The outcome in a sentence or two."""
        words = f"With a heartbeat every {self.interval:g} s and a timeout of {self.timeout:g} s, "
        if self.delays:
            words += f"{_count(len(self.delays), 'real death')} would have been noticed after "
            words += f"{median(self.delays):.1f} s (half of them), {self.delays[-1]:.1f} s at most"
        else:
            words += "no real death would have been noticed"
        if self.unnoticed:
            words += f"; {len(self.unnoticed)} not in time"
        buried = _count(len(self.false_deaths), "time")
        return f"{words}; and {buried} a living worker would have been given up on."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def what_if(history: History, timeout: float = 5.0, interval: float = 1.0) -> WhatIf:
    """Replay the heartbeats of ``history`` with other settings, in seconds.

    Raises ``ValueError`` for settings that are not positive.
    """
    return sweep(history, [timeout], interval)[0]


def sweep(history: History, timeouts: Iterable[float], interval: float) -> list[WhatIf]:
    """:func:`what_if` for each of several timeouts."""
    timeouts = list(timeouts)
    for name, value in [("interval", interval), *(("timeout", t) for t in timeouts)]:
        if not value > 0:
            raise ValueError(f"{name}: {value!r} is not allowed; a number of seconds above 0")
    lives, allowance = lives_of(history), Allowance(history)
    recorded = recorded_interval(history, lives)
    for life in lives:
        life.signs = _resample(life.signs, interval, recorded)
    end = history.observations[-1].at if history.observations else 0.0
    return [_judge(lives, allowance, timeout, interval, end) for timeout in timeouts]


# ---- what was recorded ----------------------------------------------------------------


@dataclass(slots=True)
class Life:
    """One incarnation of a worker. Times in Unix seconds."""

    worker: str
    signs: list[float] = field(default_factory=list)  # that it lived, as the master heard them
    gone: float = inf  # it said goodbye, or a newer incarnation took its place
    died: float | None = None


def lives_of(history: History) -> list[Life]:
    """The lives of all workers, as far as they were recorded."""
    lives: dict[tuple[str, str], Life] = {}
    latest: dict[str, Life] = {}
    for seen in history.observations:
        match seen:
            case (
                Beat(at=at, worker=worker, incarnation=incarnation)
                | Committed(at=at, event=WorkerJoined(worker=worker, incarnation=incarnation))
            ):
                life = lives.setdefault((worker, incarnation), Life(worker))
                if not life.signs and worker in latest:  # the first sign of a newer one
                    latest[worker].gone = min(latest[worker].gone, at)
                life.signs.append(at)
                latest.setdefault(worker, life)
                if len(life.signs) == 1:
                    latest[worker] = life
            case Committed(at=at, event=WorkerLeft(worker=worker, incarnation=incarnation)):
                lives.setdefault((worker, incarnation), Life(worker)).gone = at
            case Fault(at=at, kind=kind, target=worker) if kind in DEATHS and worker in latest:
                latest[worker].died = at
    return list(lives.values())


def recorded_interval(history: History, lives: Iterable[Life]) -> float:
    """The time between two heartbeats of a worker, in seconds.

    It is the setting, where that was recorded: busy workers beat more often in between. Else it
    is the median.
    """
    if setting := history.settings.get("heartbeat_interval"):
        return float(setting)
    gaps = [b - a for life in lives for a, b in pairwise(life.signs)]
    return median(gaps) if gaps else USUAL


class Allowance:
    """Until when a worker may be silent: a master that begins to serve counts anew."""

    def __init__(self, history: History) -> None:
        self._dark: list[tuple[float, float]] = []  # from when, until when nobody was judged
        committed = -inf
        for seen in history.observations:
            if isinstance(seen, Committed):
                committed = seen.at
            elif isinstance(seen, Serving):
                self._dark.append((committed, seen.at))

    def deadline(self, heard: float, timeout: float) -> float:
        """When silence since ``heard`` becomes a verdict, in Unix seconds."""
        deadline = heard + timeout
        for begin, serving in self._dark:
            if heard < serving and begin <= deadline:
                deadline = max(deadline, serving + timeout)
        return deadline


# ---- what would have been -------------------------------------------------------------


def _resample(signs: Sequence[float], interval: float, recorded: float) -> list[float]:
    if interval == recorded:
        return list(signs)
    if interval > recorded:
        return list(_thinned(signs, interval - recorded / 2))
    return list(_filled(signs, interval, ON_TIME * recorded))


def _thinned(signs: Iterable[float], apart: float) -> Iterator[float]:
    last = -inf
    for sign in signs:
        if sign - last >= apart:
            last = sign
            yield sign


def _filled(signs: Sequence[float], interval: float, on_time: float) -> Iterator[float]:
    for sign, following in zip(signs, [*signs[1:], inf], strict=True):
        yield sign
        if following - sign <= on_time:
            more = int((following - sign) / interval)
            yield from (sign + n * interval for n in range(1, more + 1))


def _judge(
    lives: Iterable[Life], allowance: Allowance, timeout: float, interval: float, end: float
) -> WhatIf:
    verdicts: list[Verdict] = []
    unnoticed = []
    for life in lives:
        mine = list(_verdicts(life, allowance, timeout, end))
        verdicts += mine
        if life.died is not None and not any(v.died for v in mine):
            unnoticed.append(life.worker)
    return WhatIf(
        timeout,
        interval,
        tuple(v for v in verdicts if v.died is not None),
        tuple(v for v in verdicts if v.died is None),
        tuple(unnoticed),
    )


def _verdicts(life: Life, allowance: Allowance, timeout: float, end: float) -> Iterator[Verdict]:
    """Each silence that reached the timeout, and at most one verdict after a real death."""
    for sign, following in zip(life.signs, [*life.signs[1:], inf], strict=True):
        at = allowance.deadline(sign, timeout)
        if at >= min(following, life.gone) or at > end:
            continue
        if life.died is None or at < life.died:
            yield Verdict(life.worker, at, None)
        if life.died is not None and life.died < following:
            yield Verdict(life.worker, max(at, life.died), life.died)
            return
