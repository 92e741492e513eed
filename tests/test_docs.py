"""What the docs draw and list agrees with the code."""

import re
from pathlib import Path

from nucleus.core.lifecycle import TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_lifecycle_diagram_is_drawn_from_the_table() -> None:
    drawn = re.findall(r"^    (\S+) --> (\S+): (\S+)$", ARCHITECTURE, re.MULTILINE)
    table = [
        ("[*]" if before is None else before.name, after.name, event.__name__)
        for (before, event), after in TRANSITIONS.items()
    ]
    assert sorted(drawn) == sorted(table)


def test_every_file_of_the_reading_path_exists() -> None:
    files = re.findall(r"`(core/\w+\.py)`", ARCHITECTURE)
    assert files
    assert [name for name in files if not (ROOT / "nucleus" / name).is_file()] == []


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
