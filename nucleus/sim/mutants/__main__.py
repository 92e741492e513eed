"""``python -m nucleus.sim.mutants``: hunt every mutant, and print who caught it.

With ``--table FILE`` the table goes into that Markdown file, between its two markers.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from nucleus.history.promises import INVARIANTS
from nucleus.sim.mutants.hunting import Catch, catch
from nucleus.sim.mutants.registry import MUTANTS

BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
HEAD = ("Mutant", "What it believes", "Caught by", "Promise", "Seeds", "Plan", "Observations")


def rows(catches: Iterable[Catch | None]) -> Iterator[tuple[str, ...]]:
    """The table, in the order of the registry."""
    for mutant, caught in zip(MUTANTS.values(), catches, strict=True):
        figures = ("not caught", "", "")
        if caught is not None:
            figures = str(caught.seed + 1), str(caught.plan), str(caught.observations)
        promise = str(INVARIANTS[mutant.caught_by].promise)
        name, rule = f"`{mutant.name}`", f"`{mutant.caught_by}`"
        yield name, mutant.misunderstanding, rule, promise, *figures


def markdown(table: Iterable[tuple[str, ...]]) -> str:
    """The table for a document."""
    ruler = tuple("---" for _ in HEAD)
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ruler, *table))


def insert(file: Path, text: str) -> None:
    """Put ``text`` between the markers of ``file``."""
    before, rest = file.read_text().split(BEGIN)
    _, after = rest.split(END)
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> int:
    """Hunt; return how many got away."""
    parser = argparse.ArgumentParser(prog="python -m nucleus.sim.mutants")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table into FILE")
    arguments = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        catches = list(pool.map(catch, MUTANTS))
    table = markdown(rows(catches))
    if arguments.table is None:
        print(table)
    else:
        insert(arguments.table, table)
    return catches.count(None)


if __name__ == "__main__":
    sys.exit(main())
