"""What a class handed in: whose it is, which lab it is for, and the code that is graded.

A folder holds a notebook or a ``.py`` file for each student, named after the student; or a
folder for each student, with files in it. Nothing of it is run here.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from symtable import symtable

from nucleus.core.errors import InvalidArgument
from nucleus.core.refusals import one_line
from nucleus.grading.lab import Lab

KINDS = (".py", ".ipynb")
LARGEST = 50_000_000  # bytes of a file: a notebook holds its pictures
MOST_CODE = 1_000_000  # characters
CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError)
_MAGIC = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)  # lines that are for IPython only


@dataclass(frozen=True, slots=True)
class Submission:
    """What one student handed in for one lab."""

    student: str
    lab: Lab | None  # None: nobody can tell
    file: Path
    code: str = ""  # what is graded
    trouble: str = ""  # why nothing can be graded, in words


def collect(folder: Path, labs: Iterable[Lab]) -> list[Submission]:
    """All submissions in ``folder`` for one of ``labs``, by student and lab.

    A file is for the lab whose entry it defines, and for the only lab there is, whatever it
    defines. Raises ``InvalidArgument`` when nobody handed in anything.
    """
    files, places = defaultdict[str, list[Path]](list), dict[str, Path]()
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            continue  # a link could lead to what somebody else wrote
        if path.is_dir():
            places[_name(path.name)] = path
            files[_name(path.name)] += _files(path)
        elif path.suffix in KINDS:
            places.setdefault(_name(path.stem), path)
            files[_name(path.stem)].append(path)
    if not files:
        raise InvalidArgument(f"folder: {folder} holds no notebook, no .py file and no folder")
    asked = list(labs)
    return [
        submission
        for student in sorted(files)
        for submission in _of_student(student, places[student], files[student], asked)
    ]


def _name(text: str) -> str:
    """A student's name that can be written anywhere, whatever bytes the file's name has."""
    return one_line(text.encode("utf-8", "backslashreplace").decode())


def _files(folder: Path) -> list[Path]:
    """The files that a student's folder holds."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in KINDS
        and path.is_file()
        and not path.is_symlink()
        and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
    ]


def _of_student(
    student: str, place: Path, files: list[Path], labs: list[Lab]
) -> Iterator[Submission]:
    """One submission for each lab that the student handed in."""
    only = labs[0] if len(labs) == 1 else None
    by_lab, troubles = defaultdict[str, list[Submission]](list), list[str]()
    for path in files:
        try:
            cells = _cells(path)
        except Unreadable as error:
            troubles.append(f"{path.name} {error}")
            continue
        for lab in labs:
            if _defines("\n".join(cells), lab.entry) or (lab is only and len(files) == 1):
                code = needed(cells, lab.entry) if path.suffix == ".ipynb" else cells[0]
                by_lab[lab.name].append(Submission(student, lab, path, code))
    for lab in labs:
        some = by_lab[lab.name]
        if len(some) > 1:
            names = ", ".join(submission.file.name for submission in some)
            trouble = f"{names} all define {lab.entry}; keep one"
            yield Submission(student, lab, place, trouble=trouble)
        else:
            yield from some
    if not any(by_lab.values()):
        wanted = ", ".join(lab.entry for lab in labs)
        troubles.append(f"no file here defines {wanted}")
        yield Submission(student, only, place, trouble="; ".join(troubles))


def _defines(source: str, entry: str) -> bool:
    """Whether ``source`` defines ``entry``, also where it is no Python."""
    return re.search(rf"^(def|class) {entry}\b|^{entry} *=", source, re.MULTILINE) is not None


# ---- reading --------------------------------------------------------------------------


class Unreadable(Exception):
    """A file that cannot be graded; the message goes on after the file's name."""


def _cells(path: Path) -> list[str]:
    """The code of a file: of each cell, or all of it."""
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"has more than {LARGEST:,} bytes")
    try:
        text = path.read_text("utf-8")
        cells = [text] if path.suffix == ".py" else _code_cells(json.loads(text))
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        kind = "text" if path.suffix == ".py" else "notebook"
        raise Unreadable(f"is no {kind} that can be read") from None
    if sum(map(len, cells)) > MOST_CODE:
        raise Unreadable(f"has more than {MOST_CODE:,} characters of code")
    return cells


def _code_cells(notebook: dict[str, list[dict[str, str | list[str]]]]) -> list[str]:
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    return [source for source in sources if not source.lstrip().startswith("%%")]


# ---- what of a notebook is graded -----------------------------------------------------


def needed(cells: Iterable[str], entry: str) -> str:
    """The statements of a notebook that ``entry`` needs, in their order.

    Those that define a name that it uses, and the names that these use. What else a notebook
    does, such as checking, drawing and starting clusters, is not graded.
    """
    statements = [statement for cell in cells for statement in _statements(cell, entry)]
    wanted, kept = {entry}, set[int]()
    growing = True
    while growing:
        growing = False
        for number, statement in enumerate(statements):
            if number not in kept and (statement.binds & wanted or "*" in statement.binds):
                kept.add(number)
                wanted |= statement.uses
                growing = True
    return "".join(f"{statements[number].source}\n\n\n" for number in sorted(kept))


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement at the top of a cell, and the names in it."""

    source: str
    binds: frozenset[str]
    uses: frozenset[str]


def _statements(cell: str, entry: str) -> Iterator[_Statement]:
    text, body = _parsed(cell)
    if body is None:
        if _defines(cell, entry):  # let the judge say what is wrong with it
            yield _Statement(cell, frozenset({entry}), frozenset())
        return
    lines = text.splitlines()
    for node in body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        source = "\n".join(lines[first - 1 : node.end_lineno])
        yield _Statement(source, frozenset(_binds(node)), frozenset(_uses(source)))


def _parsed(cell: str) -> tuple[str, list[ast.stmt] | None]:
    """The text of a cell and its statements; ``None`` where it is no Python.

    Lines for IPython are left out only where it is none with them: ``%`` also begins a line of
    arithmetic.
    """
    for text in (cell, _MAGIC.sub("", cell)):
        with suppress(*CANNOT_PARSE):
            return text, ast.parse(text).body
    return cell, None


def _binds(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top gives a meaning to."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in names)
        case ast.Expr():
            pass
        case _:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    yield part.id


def _uses(source: str) -> Iterator[str]:
    """The names at the top that a statement reads, now or when it is called."""
    with suppress(*CANNOT_PARSE):  # parsed as part of a cell, a line of it may be none
        tables = [symtable(source, "cell", "exec")]
        while tables:
            table = tables.pop()
            tables += table.get_children()
            for name in table.get_symbols():
                if name.is_referenced() and (table.get_type() == "module" or name.is_global()):
                    yield name.get_name()
