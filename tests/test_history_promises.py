"""docs/promises.md lists what the checker checks, and the mutants that prove it."""

import re
from pathlib import Path

import pytest

from nucleus.history.promises import INVARIANTS
from nucleus.sim.mutants import MUTANTS
from nucleus.sim.mutants.__main__ import BEGIN, END, HEAD, insert, markdown

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "promises.md").read_text()
SECTIONS = dict(re.findall(r"^## (\d+)\. .*?\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL))


def table(text: str) -> list[tuple[str, ...]]:
    """The cells of the rows below a table's ruler."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]


@pytest.mark.parametrize("promise", range(1, 12))
def test_the_section_of_a_promise_has_its_invariants_and_their_mutants(promise: int) -> None:
    _, *rows = table(SECTIONS[str(promise)])
    assert rows == [
        (
            f"`{rule.name}`",
            rule.sentence,
            ", ".join(f"`{m.name}`" for m in MUTANTS.values() if m.caught_by == rule.name),
        )
        for rule in INVARIANTS.values()
        if rule.promise == promise
    ]


@pytest.mark.parametrize("promise", range(1, 12))
def test_the_section_of_a_promise_says_how_it_is_tested(promise: int) -> None:
    for way in ("Pure", "Simulated", "Real"):
        assert f"- **{way}:** " in SECTIONS[str(promise)]


def test_every_file_that_the_page_names_exists() -> None:
    files = re.findall(r"`((?:tests|nucleus)/[\w/]+(?:\.py)?)`", TEXT)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_table_has_every_mutant_with_its_invariant_and_its_figures() -> None:
    head, *rows = table(TEXT.split(BEGIN)[1].split(END)[0])
    assert head == HEAD
    assert [row[:4] for row in rows] == [
        (
            f"`{mutant.name}`",
            mutant.misunderstanding,
            f"`{mutant.caught_by}`",
            str(INVARIANTS[mutant.caught_by].promise),
        )
        for mutant in MUTANTS.values()
    ]
    assert all(1 <= int(row[4]) <= 200 for row in rows)
    assert all(int(plan) >= 0 and int(observations) > 0 for *_, plan, observations in rows)


def test_the_table_is_written_between_its_markers(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    insert(file, markdown([("new",) * len(HEAD)]))
    assert file.read_text().startswith(f"before\n{BEGIN}\n\n| Mutant |")
    assert "| new |" in file.read_text()
    assert file.read_text().endswith(f"|\n\n{END}\nafter\n")
