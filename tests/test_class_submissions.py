"""Whose a submission is, which lab it is for, and what of it is graded."""

import json
import os
from pathlib import Path

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


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
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
