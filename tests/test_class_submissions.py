"""Whose a submission is, which lab it is for, and what of it is graded."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nucleus.core.errors import InvalidArgument
from nucleus.grading.labs import LABS
from nucleus.grading.submissions import MOST_CODE, Submission, collect, needed
from tests.classroom_support import LAB, RIGHT

ACCEPT = "def accept(job, report):\n    return True\n"
NEXT_JOB = "def next_job(waiting):\n    return waiting[0]\n"


def notebook(*cells: str) -> str:
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# Mine"}, *code]})


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def collected(folder: Path) -> list[tuple[str, str]]:
    return [(s.student, s.lab.name if s.lab else "") for s in collect(folder, LABS.values())]


def only(folder: Path) -> Submission:
    (submission,) = collect(folder, [LABS[LAB]])
    return submission


def test_a_student_hands_in_a_file_or_a_folder_for_one_lab_or_for_several(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ada.py": ACCEPT,
            "bob.ipynb": notebook("import nucleus", NEXT_JOB),
            "eve/02-queue/queue.ipynb": notebook(NEXT_JOB),
            "eve/05-fencing/fencing.ipynb": notebook(ACCEPT),
            "eve/.ipynb_checkpoints/fencing-checkpoint.ipynb": notebook(ACCEPT),
        },
    )
    assert collected(tmp_path) == [
        ("ada", "05-fencing"),
        ("bob", "02-queue"),
        ("eve", "02-queue"),
        ("eve", "05-fencing"),
    ]


@pytest.mark.parametrize(
    ("files", "trouble"),
    [
        ({"ada.ipynb": "{"}, "ada.ipynb is no notebook that can be read"),
        ({"ada.ipynb": ""}, "ada.ipynb is empty"),
        (
            {"ada.zip": "PK", "__MACOSX/ada": "", "ada/note.txt": ""},
            "ada.zip is neither a notebook",
        ),
        ({"ada.ipynb": '{"cells": [3]}'}, "ada.ipynb is no notebook that can be read"),
        ({"ada.py": "x" * (MOST_CODE + 1)}, "ada.py has more than 1,000,000 characters of code"),
        ({"ada/notes.txt": "I was ill."}, "no file here defines accept"),
        ({"ada/a.py": ACCEPT, "ada/b.py": ACCEPT}, "a.py, b.py all define accept; keep one"),
        ({"ada/a.py": ACCEPT, "ada.ipynb": notebook(ACCEPT)}, "all define accept; keep one"),
    ],
)
def test_what_cannot_be_graded_is_kept_with_the_reason(
    files: dict[str, str], trouble: str, tmp_path: Path
) -> None:
    submission = only(write(tmp_path, files))
    assert submission.student == "ada"
    assert trouble in submission.trouble


def test_who_hands_in_something_else_as_well_is_graded_for_the_notebook(tmp_path: Path) -> None:
    write(tmp_path, {"ada.html": "<p>", "ada.ipynb": notebook("pass"), "ada.pdf": "%PDF"})
    submission = only(tmp_path)
    assert (submission.file.name, submission.trouble) == ("ada.ipynb", "")


@pytest.mark.parametrize("name", ["ada.py", "ada.ipynb"])
def test_a_file_may_begin_with_a_byte_order_mark(name: str, tmp_path: Path) -> None:
    write(tmp_path, {name: "\ufeff" + (ACCEPT if name == "ada.py" else notebook(ACCEPT))})
    assert collected(tmp_path) == [("ada", LAB)]


def test_a_link_to_what_another_wrote_is_nobodys_submission(tmp_path: Path) -> None:
    write(tmp_path, {"ada.py": RIGHT, "eve/mine.py": "pass\n"})
    (tmp_path / "eve" / "accept.py").symlink_to(tmp_path / "ada.py")
    (tmp_path / "mallory.py").symlink_to(tmp_path / "ada.py")
    assert collected(tmp_path) == [("ada", LAB), ("eve", "")]


def test_a_name_that_is_no_text_can_be_written_all_the_same(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"ad\xff\n.py")).write_text(ACCEPT)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    (name, lab), *_ = collected(tmp_path)
    assert lab == LAB
    assert name.isprintable()
    assert name.encode("utf-8").startswith(b"ad\\udcff")


def test_a_folder_in_which_nobody_handed_in_anything_is_a_mistake(tmp_path: Path) -> None:
    write(tmp_path, {"names.csv": "ada"})
    with pytest.raises(InvalidArgument, match="holds no notebook"):
        collect(tmp_path, LABS.values())


def test_a_file_that_is_no_python_is_still_for_its_lab(tmp_path: Path) -> None:
    broken = "def accept(job, report):\n    return (\n"
    write(tmp_path, {"ada.ipynb": notebook(broken)})
    assert only(tmp_path).code.strip() == broken.strip()


def test_of_a_notebook_what_the_entry_needs_is_graded_and_nothing_else() -> None:
    cells = [
        "%matplotlib inline\nimport math, os\nLIMIT = 3",
        "REST = (7\n% LIMIT)",
        "def helper(q=REST):\n    return math.pi * q",
        "@twice\ndef accept(job, report):\n    return helper(job)",
        "def twice(function):\n    return function",
        "os.remove('precious')\njob = start_a_cluster()\ncheck(accept)",
    ]
    code = needed(cells, "accept")
    assert code.split("\n\n\n")[:-1] == ["import math, os", "LIMIT = 3", *cells[1:5]]


def test_the_last_of_two_versions_counts_as_it_does_in_the_notebook() -> None:
    code = needed(["def accept(a, b):\n    return 1", "def accept(a, b):\n    return 2"], "accept")
    names: dict[str, object] = {}
    exec(code, names)
    accept = names["accept"]
    assert callable(accept)
    assert accept(0, 0) == 2


def accept_of(*cells: str) -> Callable[[int, int], object]:
    """What a notebook calls ``accept``, when only what it needs was run."""
    names: dict[str, Any] = {}
    exec(needed(cells, "accept"), names)
    accept: Callable[[int, int], object] = names["accept"]
    return accept


@pytest.mark.parametrize(
    "cell",
    [
        "TABLE = []\nTABLE.append(7)",
        "TABLE = [0]\nTABLE[0] = 7",
        "TABLE = {0: []}\nTABLE.setdefault(0, []).append(7)\nTABLE[0] = TABLE[0][0]",
        "TABLE = []\nfor number in (3, 7):\n    TABLE.insert(0, number)",
        "SEVEN = 6\nSEVEN += 1; TABLE = [SEVEN]",
    ],
    ids=["by a method", "by its key", "in two steps", "in a loop", "all on one line"],
)
def test_what_fills_a_table_that_the_entry_reads_is_graded_too(cell: str) -> None:
    assert accept_of(cell, "def accept(job, report):\n    return TABLE[0]")(0, 0) == 7


@pytest.mark.parametrize(
    "cell",
    [
        "if True:\n    from math import sqrt\n\n"
        "    def accept(job, report):\n        return sqrt(49)",
        "try:\n    from math import sqrt\nexcept ImportError as error:\n    raise\n"
        "accept = lambda job, report: sqrt(49)",
        "ROOT = '\x0c\x0c'; accept = lambda job, report: len(ROOT) + 5",
    ],
    ids=["under a condition", "an import that is tried", "characters that end no line"],
)
def test_a_definition_counts_wherever_it_stands(cell: str) -> None:
    assert accept_of(cell)(0, 0) == 7


def test_what_is_only_called_with_what_the_entry_reads_is_not_graded() -> None:
    cells = ["import random\nLOG = []", "random.seed(3)\nprint(LOG)\nshown = LOG[0]"]
    accept = "def accept(job, report):\n    return LOG, random"
    assert needed([*cells, accept], "accept") == f"import random\n\n\nLOG = []\n\n\n{accept}\n\n\n"
