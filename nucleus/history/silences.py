"""Silences: for how long a master that served heard nothing of a worker it counted on.

They can be told only where everything is observed, in the simulator: elsewhere nobody sees that
a worker opened a session, which is a sign of life as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nucleus.core.events import WorkerJoined, WorkerLeft, WorkerLost
from nucleus.history.observations import Beat, Fault, Message, Observation, Serving
from nucleus.history.replay import Replay, Step

STOPS = ("master-crash", "master-stop", "master-pause", "take-over")
"""Faults after which no master listens until one is seen to serve."""

Seen = Observation | Step


@dataclass(frozen=True, slots=True)
class Quiet:
    """For ``seconds`` up to ``until`` nothing was heard of a worker."""

    worker: str
    seconds: float
    until: float  # Unix seconds


def silences(replay: Replay) -> Iterator[Quiet]:
    """The silences of workers that were counted on, each when it was over."""
    if replay.history.source == "simulation" and replay.seen(Beat):
        listener = _Listener()
        for at, seen in _in_order(replay):
            yield from listener.take(at, seen)
        yield from listener.over(replay.end, *listener.since)


def _in_order(replay: Replay) -> list[tuple[float, Seen]]:
    seen: list[tuple[float, Seen]] = [
        (step.decided, step) for step in replay.of(WorkerJoined, WorkerLost, WorkerLeft)
    ]
    seen += [(s.at, s) for kind in (Beat, Serving, Fault) for s in replay.seen(kind)]
    seen += [
        (message.received, message)
        for message in replay.seen(Message)
        if message.what == "GetJobs" and message.received is not None
    ]
    return sorted(seen, key=lambda item: item[0])


class _Listener:
    """Hears what a master hears, and forgets all silences that something held up."""

    def __init__(self) -> None:
        self.since: dict[str, float] = {}  # worker -> when it was last heard of
        self._incarnations: dict[str, str] = {}
        self._epoch = 0
        self._serves = False

    def take(self, at: float, seen: Seen) -> Iterator[Quiet]:
        """Go on to what was seen next."""
        match seen:
            case Step(event=WorkerJoined(worker=worker, incarnation=incarnation)):
                self.since[worker], self._incarnations[worker] = at, incarnation
            case Step(event=WorkerLost(worker=worker) | WorkerLeft(worker=worker)):
                yield from self.over(at, worker)
                self.since.pop(worker, None)
            case Beat(worker=worker, incarnation=incarnation):
                if self._incarnations.get(worker) == incarnation:
                    yield from self.over(at, worker)
            case Message(sender=worker):
                yield from self.over(at, worker)
            case Serving(epoch=epoch) if not 0 < epoch < self._epoch:
                self._epoch, self._serves = max(epoch, self._epoch), True
                self._forget(at)
            case Fault(kind=kind, target=target):
                self._serves = self._serves and kind not in STOPS
                if target == "store":  # its master may have to wait, and to do things anew
                    self._forget(at)

    def _forget(self, at: float) -> None:
        self.since = dict.fromkeys(self.since, at)

    def over(self, at: float, *workers: str) -> Iterator[Quiet]:
        """Of these workers something is heard."""
        for worker in workers:
            if worker in self.since:
                if self._serves:
                    yield Quiet(worker, at - self.since[worker], at)
                self.since[worker] = at
