"""The checker: a history in, a verdict out.

Every invariant says ``pass``, ``fail`` or ``unknown``: unknown when the history shows no case
of it, because nobody observed such things, or because what would put it to the test never
happened. A green verdict that is mostly unknown is no proof, and its table shows it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from enum import Enum
from operator import add

from nucleus.core.events import JobSubmitted
from nucleus.core.news import Acknowledged, Refused
from nucleus.history.history import History
from nucleus.history.invariants import Breach, Invariant
from nucleus.history.narrative import tell
from nucleus.history.observations import Unanswered
from nucleus.history.promises import INVARIANTS
from nucleus.history.replay import Replay

SHOWN = 3  # breaches of one invariant that a text repeats


class Outcome(Enum):
    """What the checker says of an invariant."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one invariant."""

    invariant: Invariant
    cases: int  # that were judged
    breaches: tuple[Breach, ...]

    @property
    def outcome(self) -> Outcome:
        """Unknown without a case."""
        if self.breaches:
            return Outcome.FAIL
        return Outcome.PASS if self.cases else Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Account:
    """Jepsen's total queue: what was put in, and what came of it, in submits."""

    attempted: int = 0
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0  # acknowledged, and not in the ledger or (if there was time) never ended
    unexpected: int = 0  # in the ledger under a client's number, and never asked for
    duplicated: int = 0  # jobs beyond the first that one submit made
    recovered: int = 0  # in the ledger, though its client never got an answer

    def __add__(self, other: "Account") -> "Account":
        """Both together."""
        return Account(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker says of a history."""

    history: History
    results: dict[str, Result]  # by the name of the invariant, in the order of the promises
    account: Account

    @property
    def ok(self) -> bool:
        """Whether no promise was broken."""
        return not self.broken

    @property
    def broken(self) -> list[Result]:
        """The invariants that failed."""
        return self.having(Outcome.FAIL)

    def having(self, outcome: Outcome) -> list[Result]:
        """The results with this outcome."""
        return [result for result in self.results.values() if result.outcome is outcome]

    def table(self) -> list[tuple[str, str, str, str]]:
        """For each invariant: promise, name, outcome, cases."""
        return [
            (str(r.invariant.promise), name, r.outcome.value, str(r.cases))
            for name, r in self.results.items()
        ]

    def text(self) -> str:
        """The verdict in words: what was broken, when, for whom, and the story of that job."""
        kept, unknown = self.having(Outcome.PASS), self.having(Outcome.UNKNOWN)
        head = f"{len(kept)} invariants kept, {len(self.broken)} broken, {len(unknown)} unknown"
        return "\n".join([head, *(self._failure(result) for result in self.broken)])

    def _failure(self, result: Result) -> str:
        rule = result.invariant
        lines = [f"\nPromise {rule.promise} is broken ({rule.name}): {rule.sentence}"]
        start = self.history.start
        for breach in result.breaches[:SHOWN]:
            lines.append(f"  at {breach.at - start:.3f} s: {breach.what}")
        if more := len(result.breaches) - SHOWN:
            lines += [f"  and {more} times more"] if more > 0 else []
        lines += [f"    {line}" for line in tell(self.history, result.breaches[0])]
        return "\n".join(lines)


def check(history: History, names: Iterable[str] = INVARIANTS) -> Verdict:
    """Judge ``history`` by the invariants of these ``names``; observations in order of time."""
    replay = Replay(history)
    results = {}
    for name in names:
        verdicts = INVARIANTS[name].judge(replay)
        breaches = tuple(verdict for verdict in verdicts if verdict is not None)
        results[name] = Result(INVARIANTS[name], len(verdicts), breaches)
    return Verdict(history, results, _account(replay))


def _account(replay: Replay) -> Account:
    told = {submit: {type(item.news) for item in news} for submit, news in replay.told.items()}
    made = Counter((s.event.client, s.event.client_seq) for s in replay.of(JobSubmitted))
    numbered = {submit for submit in made if submit[1]}
    answered = {submit for submit, kinds in told.items() if kinds - {Unanswered}}
    lost = 0
    for _, news in replay.news(Acknowledged):
        job = replay.jobs.get(news.job_id)
        lost += job is None if not replay.history.drained else job is None or not job.ended
    return Account(
        attempted=len(replay.submits),
        acknowledged=sum(Acknowledged in kinds for kinds in told.values()),
        refused=sum(Refused in kinds for kinds in told.values()),
        lost=lost if replay.whole else 0,
        unexpected=len(numbered - replay.submits.keys()) if replay.submits else 0,
        duplicated=sum(made[submit] - 1 for submit in numbered),
        recovered=len(numbered - answered),
    )
