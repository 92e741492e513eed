"""Every lesson runs without a person, again in the same kernel, and leaves nothing behind.

And each is written as lessons are: small cells without logic, three questions, its lab, links
that lead somewhere, words that are spelt right and found in the glossary.
"""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core import inputtransformer2

import nucleus.notebook
from nucleus.notebook.checks import Finding
from tests.notebook_support import NOTEBOOKS, execute

ROOT = NOTEBOOKS.parent
GLOSSARY = NOTEBOOKS / "glossary.md"
SLOW = {  # those that take longest come first, so that two processes end together
    "03_threads_and_processes",
    "04_heartbeats",
    "08_how_long_will_i_wait",
    "09_metrics",
    "10_the_master_dies",
}
KILLERS = {"04_heartbeats", "05_requeue", "07_poison", "10_the_master_dies"}
NAMES = sorted((p.stem for p in NOTEBOOKS.glob("*.ipynb")), key=lambda n: (n not in SLOW, n))
LESSONS = sorted(name for name in NAMES if name[:2].isdigit())

LONGEST_RUN = 60  # seconds, on a machine that is as quick as usual
LONGEST_CELL = 12  # lines
LOGIC = (ast.If, ast.While, ast.ClassDef, ast.AsyncFunctionDef, ast.Match, ast.Global)
LAB = re.compile(r"\*\*Lab \d, [A-Z][\w -]+\*\*.*it is in `labs/(\d\d-[a-z-]+)`")
QUESTION = re.compile(r"<details><summary>(\d)\. .+?</summary>\n\n.+?\n\n</details>", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMES_OF_OTHERS = "simpy"  # right, though codespell does not know them
ENTRY = re.compile(r"^- \*\*(.+?)\*\*: .*\((\d\d)\)$", re.MULTILINE)

# What answers in words. A cell that ends with one of them shows a finding.
FINDERS = {
    name
    for name in nucleus.notebook.__all__
    if inspect.isfunction(found := getattr(nucleus.notebook, name))
    and found.__annotations__.get("return") is Finding
}

ITALICS = re.compile(r"(?<![*\w])\*([^*\n|$]+)\*(?!\*)")
# In italics for their own sake, or another form of a word of the glossary.
STRESSED = {
    *("a while", "another", "before", "broken", "change", "changes", "child processes"),
    *("computing", "different", "does", "exponential backoff", "failed", "first in, first out"),
    *("front", "global interpreter lock", "how long usually", "how many", "idle", "inside"),
    *("is", "italics", "left", "meaning", "n", "no alarm", "nobody there to raise one", "not"),
    *(
        "now",
        "outside",
        "processes",
        "protocol buffers",
        "result",
        "running",
        "scraping",
        "silence",
        "slow",
    ),
    *("state", "submitted", "suspects", "there", "told", "type", "waiting"),
    "with the same number on it",
}

each_notebook = pytest.mark.parametrize("name", NAMES)
each_lesson = pytest.mark.parametrize("name", LESSONS)


def cells(name: str, kind: str = "") -> list[nbformat.NotebookNode]:
    """Return the cells of a notebook, or those of one kind."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if kind in ("", cell.cell_type)]


def prose(name: str) -> str:
    return "\n\n".join(cell.source for cell in cells(name, "markdown"))


Record = Callable[[str, object], None]


def runs(
    name: str, times: int, folder: Path, monkeypatch: pytest.MonkeyPatch, record: Record
) -> None:
    """Check that a notebook can be run so many times in one kernel, and leaves nothing behind."""
    run = execute(cells(name) * times, folder, monkeypatch)
    record("seconds", round(run.seconds, 1))
    record("slowness", round(run.slowness, 1))
    assert run.seconds < times * LONGEST_RUN * run.slowness
    assert run.stderr == []
    assert run.left_in_kernel == {"children": [], "ports": [], "threads": []}
    assert run.processes == []
    assert run.files == []


@each_notebook
def test_a_notebook_runs_and_leaves_nothing_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    runs(name, 1, tmp_path, monkeypatch, record_property)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in KILLERS else pytest.mark.full)
        for name in NAMES
    ],
)
def test_a_notebook_runs_twice_in_one_kernel(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    runs(name, 2, tmp_path, monkeypatch, record_property)


LEAVES_MUCH = """
import pathlib, socket, subprocess, sys, tempfile, threading, time
pathlib.Path("notes.txt").touch()
folder = tempfile.mkdtemp(prefix="lesson-")
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
threading.Thread(target=time.sleep, args=[60], name="idler", daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
print("careful", file=sys.stderr)
"""


def test_what_a_notebook_leaves_behind_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = execute([nbformat.v4.new_code_cell(LEAVES_MUCH)], tmp_path, monkeypatch, grace=0)
    names = [process.name() for process in run.processes]
    for process in run.processes:
        process.kill()
    assert names == ["sleep"]
    assert run.stderr == ["careful\n"]
    assert run.left_in_kernel["children"] == ["sleep 600"]
    assert run.left_in_kernel["threads"] == ["idler"]
    assert len(run.left_in_kernel["ports"]) == 1
    assert [file.partition("-")[0] for file in run.files] == ["notebooks/notes.txt", "tmp/lesson"]


def test_the_lessons_are_there_in_their_order() -> None:
    assert [name[:2] for name in LESSONS] == [f"{number:02}" for number in range(11)]
    assert set(NAMES) >= SLOW | KILLERS


@each_notebook
def test_cells_are_small_and_what_came_of_them_is_not_saved(name: str) -> None:
    for cell in cells(name, "code"):
        assert 1 <= len(cell.source.splitlines()) <= LONGEST_CELL
        assert cell.outputs == []
        assert cell.execution_count is None


@each_notebook
def test_cells_have_no_logic(name: str) -> None:
    assert [words for cell in cells(name, "code") for words in logic(cell.source)] == []


def logic(source: str) -> list[str]:
    """Return what belongs into the package rather than into a cell, in words."""
    ipython: Any = inputtransformer2  # it knows ``answer = !command``
    tree = ast.parse(ipython.TransformerManager().transform_cell(source))
    found = [_excess(node) for statement in tree.body for node in _walk(statement)]
    return [words for words in found if words]


def _walk(node: ast.AST) -> list[ast.AST]:
    """Return a node and all that is in it; not what is in the function of a job type."""
    if isinstance(node, ast.FunctionDef) and _makes_a_job_type(node):
        return []
    return [node, *(inner for child in ast.iter_child_nodes(node) for inner in _walk(child))]


def _makes_a_job_type(function: ast.FunctionDef) -> bool:
    return any("job_type" in ast.unparse(decorator) for decorator in function.decorator_list)


def _excess(node: ast.AST) -> str:
    kind = type(node).__name__
    match node:
        case ast.For(body=[ast.Expr()], orelse=[]):
            return ""  # it shows something, line by line
        case ast.For():
            return f"line {node.lineno}: a loop of more than one statement"
        case ast.FunctionDef():
            return f"line {node.lineno}: the function {node.name}, which is no job type"
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            nested = len(node.generators) > 1
            return f"line {node.lineno}: a nested {kind}" if nested else ""
        case ast.stmt() if isinstance(node, LOGIC):
            return f"line {node.lineno}: {kind}"
        case _:
            return ""


@pytest.mark.parametrize(
    "source",
    [
        "if late:\n    print('late')",
        "while not job.done():\n    pass",
        "def double(n):\n    return 2 * n",
        "class Job: ...",
        "for job in jobs:\n    for view in job:\n        print(view)",
        "for job in jobs:\n    total += 1",
        "[view for job in jobs for view in job]",
        "with cluster:\n    if late:\n        print('late')",
    ],
)
def test_logic_is_recognized(source: str) -> None:
    assert logic(source)


@pytest.mark.parametrize(
    "source",
    [
        "answer = !curl -s {url}",
        "for job in jobs:\n    print(job)",
        "[job.result() for job in jobs if job.done()]",
        "@nucleus.job_type('Letter')\ndef post(name: str) -> None:\n    if name:\n        pass",
    ],
)
def test_what_a_cell_may_do_is_no_logic(source: str) -> None:
    assert logic(source) == []


@each_notebook
def test_each_prediction_is_compared_and_then_checked_in_words(name: str) -> None:
    assert left_open([cell.source for cell in cells(name, "code")]) == []


def left_open(sources: Sequence[str]) -> list[str]:
    """Return what cells leave open, in words.

    Several predictions may be asked before one experiment; each is then compared, and a finding
    is shown before the next comparison or prediction.
    """
    ipython: Any = inputtransformer2
    asked: list[str] = []
    unchecked: list[str] = []
    problems = []
    for source in sources:
        tree = ast.parse(ipython.TransformerManager().transform_cell(source))
        predicted, compared = _predictions(tree), _comparisons(tree)
        if predicted or compared:
            problems += [f"{name} is compared, but not checked" for name in unchecked]
            unchecked = []
        asked = [name for name in [*asked, *predicted] if name not in compared]
        unchecked = [] if _shows_a_finding(tree) else [*unchecked, *compared]
    problems += [f"{name} is compared, but not checked" for name in unchecked]
    return [*problems, *(f"{name} is never compared" for name in asked)]


def _predictions(tree: ast.Module) -> list[str]:
    return [
        statement.targets[0].id
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        if ast.unparse(statement.value).startswith("predict_")
    ]


def _comparisons(tree: ast.Module) -> list[str]:
    return [
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "compare"
    ]


def _shows_a_finding(tree: ast.Module) -> bool:
    last = tree.body[-1]
    call = last.value if isinstance(last, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in FINDERS


GUESS, SHOWN, CHECKED = "a = predict_number()\na", "a.compare(2)", "check(1, '', '')"


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        ([GUESS], "a is never compared"),
        ([GUESS, SHOWN], "a is compared, but not checked"),
        ([GUESS, CHECKED, SHOWN], "a is compared, but not checked"),
        ([GUESS, SHOWN, GUESS, SHOWN, CHECKED], "a is compared, but not checked"),
        ([GUESS, "b = predict_choice()", SHOWN, "b.compare(2)", CHECKED], "a is compared"),
        ([GUESS, SHOWN, "found = check(1, '', '')"], "a is compared, but not checked"),
    ],
)
def test_a_prediction_that_is_left_open_is_found(sources: list[str], problem: str) -> None:
    [found] = left_open(sources)
    assert found.startswith(problem)


@each_notebook
def test_metadata_say_nothing_about_the_machine_on_which_it_was_written(name: str) -> None:
    notebook: Any = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert notebook.metadata == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    assert all(cell.metadata == {} for cell in notebook.cells)


@each_lesson
def test_a_lesson_begins_with_its_title_and_ends_with_three_questions_and_its_lab(
    name: str,
) -> None:
    assert cells(name)[0].source.startswith(f"# {name[:2]} ")
    text = prose(name)
    assert QUESTION.findall(text) == ["1", "2", "3"]
    lab = LAB.search(text)
    assert lab
    assert (NOTEBOOKS.parent / "labs" / lab[1]).is_dir()


@pytest.mark.parametrize("name", [*NAMES, "glossary"])
def test_links_lead_somewhere(name: str) -> None:
    text = GLOSSARY.read_text("utf-8") if name == "glossary" else prose(name)
    targets = [target for target in LINK.findall(text) if "://" not in target]
    files = [target.partition("#")[0] for target in targets]
    assert [file for file in files if not (NOTEBOOKS / file).exists()] == []


def test_the_glossary_is_in_order_and_names_the_lesson_of_each_word() -> None:
    entries = ENTRY.findall(GLOSSARY.read_text("utf-8"))
    lines = [line for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("- ")]
    assert len(entries) == len(lines)
    words = [word.lower() for word, _ in entries]
    assert words == sorted(words)
    texts = {name[:2]: prose(name).lower() for name in LESSONS}
    assert [
        (word, number)
        for word, number in entries
        if not any(form.lower() in texts.get(number, "") for form in word.split(", "))
    ] == []


@each_lesson
def test_each_word_in_italics_is_in_the_glossary_or_only_stressed(name: str) -> None:
    entries = ENTRY.findall(GLOSSARY.read_text("utf-8").lower())
    known = {form for word, _ in entries for form in [word, *word.split(", ")]}
    words = {found.lower() for found in ITALICS.findall(prose(name))}
    assert {w for w in words if not {w, w.removesuffix("s")} & (known | STRESSED)} == set()


def test_words_are_spelt_right() -> None:
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), GLOSSARY, *NOTEBOOKS.glob("*.ipynb")]
    options = ["--ignore-words-list", NAMES_OF_OTHERS]
    command = [sys.executable, "-m", "codespell_lib", *options, *map(str, texts)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.stdout + found.stderr == ""
    assert found.returncode == 0
