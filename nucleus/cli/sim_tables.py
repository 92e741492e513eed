"""What ``nucleus sim`` exercised, as tables."""

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from nucleus.cli.output import table
from nucleus.sim.faults import KINDS
from nucleus.sim.outcomes import EVENTS
from nucleus.sim.sweep import Tally


def fired(tally: Tally, faults: frozenset[str]) -> dict[str, int]:
    """How often each of the chosen faults fired."""
    return {kind.name: tally.fired[kind.name] for kind in KINDS if kind.name in faults}


def faults_table(tally: Tally, faults: frozenset[str]) -> Table:
    """Each chosen fault, and how often it fired."""
    made = table("fault", "fired", "what happens", right=("fired",))
    times = fired(tally, faults)
    for kind in KINDS:
        if kind.name in times:
            count = times[kind.name]
            shown = Text(f"{count:,}") if count else Text("never", "bold yellow")
            made.add_row(kind.name, shown, kind.text)
    return made


def outcomes_table(tally: Tally) -> Table:
    """What came of them."""
    made = table("what came of it", "times", right=("times",))
    for name, times in sorted(tally.seen.items()):
        if name != EVENTS:
            made.add_row(name, f"{times:,}")
    return made


def account_table(tally: Tally) -> Table:
    """Jepsen's total queue: what was put in, and what came of it."""
    account = asdict(tally.account)
    made = table("submits", *account, right=tuple(account))
    made.add_row("", *(f"{count:,}" for count in account.values()))
    return made


def verdict_line(tally: Tally) -> Text:
    """Whether the promises were kept, and which were not put to the test."""
    if tally.broken:
        return Text("a promise was broken", "bold red")
    judged = sum(tally.cases.values())
    kept = f"every promise was kept: {len(tally.cases)} invariants, {judged:,} cases"
    line = Text(kept, "green")
    if tally.unknown:
        line.append(f"; not put to the test: {', '.join(tally.unknown)}", "yellow")
    return line
