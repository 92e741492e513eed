"""Space-time diagrams (Lamport): who sent what to whom, and when it arrived.

A :class:`Diagram` is data: lifelines, arrows between them, marks on them. It is made of what
a history shows of a few jobs: messages are inferred from what both ends saw, and take their
times, their losses and their repeats from the messages that were recorded, if any were.
:meth:`Diagram.text` draws it for a terminal, time running down; ``nucleus.pictures`` draws the
same data on paper.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

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
from nucleus.core.job import job_number
from nucleus.core.news import Acknowledged, Ended
from nucleus.history.history import History
from nucleus.history.observations import (
    CancelAnswered,
    Committed,
    Fault,
    Message,
    Observation,
    Raised,
    Received,
    Started,
    Stopped,
    Submitted,
    Told,
    client_name,
)

MASTER = "master"
TIME = 10  # columns of the time
NARROWEST = 16  # columns of a lifeline
LATE = 0.05  # seconds on the way, from which the arrival is a line of its own


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message; one that was lost has no time of arrival."""

    sent: float  # Unix seconds
    received: float | None
    sender: str
    receiver: str
    what: str
    job_id: str = ""
    refused: bool = False  # it arrived, and was turned away


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to one part."""

    at: float  # Unix seconds
    lifeline: str
    what: str
    until: float | None = None  # Unix seconds, when it lasted
    fault: bool = False  # somebody broke it


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture of a run, as data."""

    lifelines: tuple[str, ...]  # clients, the master, workers: from left to right
    arrows: tuple[Arrow, ...]  # by time of sending
    marks: tuple[Mark, ...]  # by time

    @property
    def start(self) -> float:
        """When the first thing happened, in Unix seconds."""
        times = [arrow.sent for arrow in self.arrows] + [mark.at for mark in self.marks]
        return min(times, default=0.0)

    def text(self, width: int = 100) -> str:
        """The diagram for a terminal, at most ``width`` columns wide."""
        return "\n".join(_Canvas(self, width).lines())


def draw(history: History, jobs: Collection[str], faults: bool = True) -> Diagram:
    """The diagram of some jobs, and of the parts that had to do with them."""
    view = _View(history, frozenset(jobs))
    arrows = sorted(view.arrows, key=lambda arrow: arrow.sent)
    names = {name for arrow in arrows for name in (arrow.sender, arrow.receiver)}
    names |= {mark.lifeline for mark in view.marks}
    marks = [*(view.circumstances(names) if faults else ()), *view.marks]
    order = sorted(names - {MASTER} - view.workers), [MASTER], sorted(names & view.workers)
    lifelines = tuple(name for group in order for name in group)
    return Diagram(lifelines, tuple(arrows), tuple(sorted(marks, key=lambda mark: mark.at)))


# ---- from the history -----------------------------------------------------------------


class _View:
    """Goes through a history once, and gathers what concerns the jobs."""

    def __init__(self, history: History, jobs: frozenset[str]) -> None:
        self._history, self._jobs = history, jobs
        events = [seen.event for seen in history.events()]
        made = [e for e in events if isinstance(e, JobSubmitted) and e.job_id in jobs]
        self._submits = {(event.client, event.client_seq): event.job_id for event in made}
        told = (seen for seen in history.observations if isinstance(seen, Told))
        # Also what was told of a job that is not there, which is a story of its own.
        self._submits |= {
            (seen.client, seen.client_seq): seen.news.job_id
            for seen in told
            if isinstance(seen.news, Acknowledged) and seen.news.job_id in jobs
        }
        self._sent: dict[tuple[str, str, int], float] = {}  # what, about whom: when it left
        self._leased: dict[int, str] = {}  # lease -> job
        seen_kinds = {type(seen) for seen in history.observations}
        self._arrivals = not seen_kinds.isdisjoint({Received, Message})  # are observed
        self._messages: list[Arrow] = []  # as somebody recorded them
        self.workers = {event.worker for event in events if isinstance(event, WorkerJoined)}
        self.arrows: list[Arrow] = []
        self.marks: list[Mark] = []
        for seen in history.observations:
            if self._concerns(seen):
                self._take(seen)
        if self._arrivals and not self._messages:
            self._lose_what_is_left()
        self.arrows = list(_merge(self.arrows, self._messages))

    def _concerns(self, seen: Observation) -> bool:
        about = seen.event if isinstance(seen, Committed) else seen
        if isinstance(seen, Submitted | Told):
            return (seen.client, seen.client_seq) in self._submits
        return getattr(about, "job_id", "") in self._jobs

    def _take(self, seen: Observation) -> None:
        match seen:
            case Message():
                ends = seen.sender, seen.receiver
                self._messages.append(Arrow(seen.at, seen.received, *ends, seen.what, seen.job_id))
            case Committed(event=event):
                self._take_event(seen.at, event)
            case Started(worker=worker, lease=lease):
                self.marks.append(Mark(seen.at, worker, f"starts lease {lease}"))
            case Stopped(worker=worker, lease=lease, outcome=outcome):
                self._sent["result", worker, lease] = seen.at
                if outcome == "voided":
                    self.marks.append(Mark(seen.at, worker, f"drops lease {lease}"))
            case _:
                self._infer(seen)

    def _infer(self, seen: Observation) -> None:
        """The messages that must have travelled, because both ends of them were seen."""
        match seen:
            case Submitted(client=client, client_seq=seq):
                self._sent["submit", client, seq] = seen.at
            case Received(worker=worker, lease=lease):
                sent = self._sent.pop(("lease", worker, lease), seen.at)
                self._arrow(sent, seen.at, MASTER, worker, f"lease {lease}", seen)
            case Told(client=client, client_seq=seq, news=Acknowledged() | Ended() as news):
                what = "acknowledged" if isinstance(news, Acknowledged) else news.status.name
                sent = self._sent.pop((type(news).__name__, client, seq), seen.at)
                self._arrow(sent, seen.at, MASTER, client_name(client), what.lower(), news)
            case CancelAnswered(client=client, answer=answer):
                said = f"cancel: {answer.lower()}"
                self._arrow(seen.at, seen.at, MASTER, client_name(client), said, seen)

    def _arrow(
        self, sent: float, at: float, sender: str, receiver: str, what: str, about: object
    ) -> None:
        job = getattr(about, "job_id", "")
        self.arrows.append(Arrow(sent, at, sender, receiver, what, job))

    def _take_event(self, at: float, event: Event) -> None:
        if isinstance(event, JobRequeued) and event.reason not in ("failed", "released"):
            self.marks.append(Mark(at, MASTER, f"re-queued: {event.reason}"))
        elif isinstance(event, JobCancelled):
            self.marks.append(Mark(at, MASTER, "cancelled"))
        self._infer_from(at, event)

    def _infer_from(self, at: float, event: Event) -> None:
        if isinstance(event, JobSubmitted):
            submit = event.client, event.client_seq
            sent = self._sent.pop(("submit", *submit), at)
            self._arrow(sent, at, client_name(event.client), MASTER, "submit", event)
            self._sent["Acknowledged", *submit] = at
        elif isinstance(event, JobLeased):
            if self._arrivals:
                self._sent["lease", event.worker, event.seq] = at
                self._leased[event.seq] = event.job_id
            else:
                self._arrow(at, at, MASTER, event.worker, f"lease {event.seq}", event)
        elif isinstance(event, ResultRejected):
            self._report(at, event, refused=True)
        elif isinstance(event, JobCompleted | JobFailed | JobRequeued):
            reported = getattr(event, "reason", "failed") in ("failed", "released")
            if reported:
                self._report(at, event)
        if isinstance(event, JobCompleted | JobFailed | JobCancelled):
            self._sent["Ended", event.client, event.client_seq] = at

    def _report(
        self,
        at: float,
        event: JobCompleted | JobFailed | JobRequeued | ResultRejected,
        refused: bool = False,
    ) -> None:
        sent = self._sent.get(("result", event.worker, event.lease), at)
        what = f"result, lease {event.lease}"
        self.arrows.append(Arrow(sent, at, event.worker, MASTER, what, event.job_id, refused))

    def _lose_what_is_left(self) -> None:
        """Leases that were sent, and that no worker received."""
        for (what, worker, lease), sent in self._sent.items():
            if what == "lease":
                job = self._leased[lease]
                self.arrows.append(Arrow(sent, None, MASTER, worker, f"lease {lease}", job))

    def circumstances(self, names: set[str]) -> Iterator[Mark]:
        """What happened to these parts in the meantime, whatever the job."""
        times = [arrow.sent for arrow in self.arrows] + [mark.at for mark in self.marks]
        first, last = min(times, default=0.0), max(times, default=0.0)
        for seen in (o for o in self._history.observations if first <= o.at <= last):
            match seen:
                case Fault(target=target, kind=kind, until=until) if target in names:
                    yield Mark(seen.at, target, kind, until, fault=True)
                case Raised(part=part, error=error) if part in names:
                    yield Mark(seen.at, part, error, fault=True)
                case Committed(event=MasterStarted(epoch=epoch)) if epoch > 1:
                    yield Mark(seen.at, MASTER, f"epoch {epoch} begins")
                case Committed(event=WorkerLost(worker=worker, reason=reason)) if worker in names:
                    yield Mark(seen.at, MASTER, f"{worker} lost: {reason}")
                case Committed(event=WorkerLeft(worker=worker)) if worker in names:
                    yield Mark(seen.at, MASTER, f"{worker} left")


def _merge(inferred: list[Arrow], recorded: list[Arrow]) -> Iterator[Arrow]:
    """What was inferred, at the times that were recorded, and what was recorded besides."""
    left = list(dict.fromkeys(recorded))
    for arrow in inferred:
        same = [message for message in left if _is(arrow, message)]
        if same:
            left.remove(same[-1])
            arrow = replace(arrow, sent=same[-1].sent, received=same[-1].received)
        yield arrow
    yield from left


def _is(arrow: Arrow, message: Arrow) -> bool:
    """Whether ``message`` can be the one of which ``arrow`` was inferred."""
    if arrow.received is None or message.received is None:
        return False
    if (arrow.sender, arrow.receiver) != (message.sender, message.receiver):
        return False
    in_between = arrow.sent - LATE <= message.sent and message.received <= arrow.received
    return in_between or message.received == arrow.received


# ---- as text --------------------------------------------------------------------------


class _Canvas:
    """Lines of text: time to the left, a column for each lifeline, a row for each thing."""

    def __init__(self, diagram: Diagram, width: int) -> None:
        self._diagram, self._width = diagram, width
        jobs = {arrow.job_id for arrow in diagram.arrows if arrow.job_id}
        self._several = len(jobs) > 1  # so that each message has to say which it is about
        columns = max(len(diagram.lifelines), 1)
        self._step = max((width - TIME) // columns, NARROWEST)
        self._at = {
            name: TIME + self._step // 2 + place * self._step
            for place, name in enumerate(diagram.lifelines)
        }

    def lines(self) -> Iterator[str]:
        """The rows, from the first to the last."""
        heads = "".join(name[: self._step - 1].center(self._step) for name in self._at)
        yield (" " * TIME + heads)[: self._width].rstrip()
        for at, row in sorted(self._rows(), key=lambda pair: pair[0]):
            time = f"{at - self._diagram.start:{TIME - 2}.3f}"
            yield (time + row[TIME - 2 :])[: self._width].rstrip()

    def _rows(self) -> Iterator[tuple[float, str]]:
        """All rows; of one moment in this order: the master decides, sends, others act."""
        marks = self._diagram.marks
        yield from (self._mark(mark) for mark in marks if mark.lifeline == MASTER)
        for arrow in self._diagram.arrows:
            yield from self._arrow(arrow)
        yield from (self._mark(mark) for mark in marks if mark.lifeline != MASTER)

    def _mark(self, mark: Mark) -> tuple[float, str]:
        sign = "✗" if mark.fault else "•"
        lasts = f" until {mark.until - self._diagram.start:.3f}" if mark.until else ""
        return mark.at, self._write(mark.lifeline, f"{sign} {mark.what}{lasts}")

    def _arrow(self, arrow: Arrow) -> Iterator[tuple[float, str]]:
        late = arrow.received is not None and arrow.received - arrow.sent > LATE
        yield arrow.sent, self._shaft(arrow, arrives=not late)
        if late and arrow.received is not None:
            sign = "✗ refused:" if arrow.refused else "▸"
            yield arrow.received, self._write(arrow.receiver, f"{sign} {arrow.what} arrives")

    def _shaft(self, arrow: Arrow, *, arrives: bool) -> str:
        start, end = self._at[arrow.sender], self._at[arrow.receiver]
        row = list(self._bare())
        left, right = min(start, end) + 1, max(start, end)
        job = job_number(arrow.job_id) if self._several else 0
        label = f" {job}: {arrow.what} " if job else f" {arrow.what} "
        label = label[: max(right - left - 2, 0)]
        row[left:right] = label.center(right - left, "─" if arrives else "╌")
        tip = right - 1 if end > start else left
        row[tip] = self._tip(arrow, rightwards=end > start, arrives=arrives)
        return "".join(row)

    def _tip(self, arrow: Arrow, *, rightwards: bool, arrives: bool) -> str:
        if arrow.received is None or (arrow.refused and arrives):
            return "✗"
        if not arrives:
            return "▷" if rightwards else "◁"
        return "▶" if rightwards else "◀"

    def _bare(self) -> str:
        row = [" "] * max(self._width, max(self._at.values(), default=0) + 1)
        for column in self._at.values():
            row[column] = "│"
        return "".join(row)

    def _write(self, lifeline: str, text: str) -> str:
        row, column = self._bare(), self._at[lifeline]
        if column + len(text) > self._width:  # no room to the right
            begin = max(column + 1 - len(text), 0)
            return row[:begin] + f"{text[2:]} {text[0]}"[: column + 1 - begin] + row[column + 1 :]
        return row[:column] + text + row[column + len(text) :]
