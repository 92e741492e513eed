"""What a class handed in: whose it is, which lab it is for, and the code that is graded.

A folder holds a notebook or a ``.py`` file for each student, named after the student; or a
folder for each student, with files in it. Nothing of it is run here.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from symtable import SymbolTable, symtable

from nucleus.core.errors import InvalidArgument
from nucleus.core.refusals import one_line
from nucleus.grading.lab import Lab

KINDS = (".py", ".ipynb")
NOTES = (".csv", ".md")  # kinds of files that whoever grades keeps beside the submissions
NOT_THEIRS = (".", "__")  # names of what programs leave behind: .ipynb_checkpoints, __MACOSX
LARGEST = 50_000_000  # bytes of a file: a notebook holds its pictures
MOST_CODE = 1_000_000  # characters
CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError)
LINE_END = re.compile(r"\r\n?|\n")  # what the parser counts as one, and nothing else
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
        if path.is_symlink() or path.name.startswith(NOT_THEIRS) or path.suffix in NOTES:
            continue  # a link could lead to what somebody else wrote
        student = _name(path.name if path.is_dir() else path.stem)
        if path.is_dir() or student not in places:
            places[student] = path
        files[student] += _files(path) if path.is_dir() else [path]
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
        and not any(part.startswith(NOT_THEIRS) for part in path.relative_to(folder).parts)
    ]


def _of_student(
    student: str, place: Path, files: list[Path], labs: list[Lab]
) -> Iterator[Submission]:
    """One submission for each lab that the student handed in."""
    only = labs[0] if len(labs) == 1 else None
    alone = sum(path.suffix in KINDS for path in files) == 1
    by_lab, troubles = defaultdict[str, list[Submission]](list), list[str]()
    for path in files:
        try:
            cells = _cells(path)
        except Unreadable as error:
            troubles.append(f"{path.name} {error}")
            continue
        for lab in labs:
            if _defines("\n".join(cells), lab.entry) or (lab is only and alone):
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
    if path.suffix not in KINDS:
        raise Unreadable("is neither a notebook nor a .py file")
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"has more than {LARGEST:,} bytes")
    try:
        text = path.read_text("utf-8-sig")  # some editors begin a file with a mark
        if not text.strip():
            raise Unreadable("is empty")
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

    Those that define a name that it uses or fill what it stands for, and the names that these
    use. What else a notebook does, such as checking, drawing and starting clusters, is not
    graded.
    """
    statements = [statement for cell in cells for statement in _statements(cell, entry)]
    imported = frozenset().union(*(statement.imports for statement in statements))
    wanted, kept = {entry}, set[int]()
    growing = True
    while growing:
        growing = False
        for number, statement in enumerate(statements):
            if number not in kept and statement.matters(wanted, imported):
                kept.add(number)
                wanted |= statement.uses
                growing = True
    return "".join(f"{statements[number].source}\n\n\n" for number in sorted(kept))


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement at the top of a cell, with others on its lines, and the names in it."""

    source: str
    binds: frozenset[str] = frozenset()  # names that it gives a meaning to
    changes: frozenset[str] = frozenset()  # names of what it fills: ``table[key] = …``
    uses: frozenset[str] = frozenset()  # names that it reads, now or when it is called
    imports: frozenset[str] = frozenset()

    def matters(self, wanted: Set[str], imported: Set[str]) -> bool:
        """Whether these names would stand for something else without it.

        What it does to a module, ``os.remove(…)``, is none of theirs.
        """
        return bool(self.binds & wanted or self.changes & wanted - imported or "*" in self.imports)


def _statements(cell: str, entry: str) -> Iterator[_Statement]:
    text, body = _parsed(cell)
    if body is None:
        if _defines(cell, entry):  # let the judge say what is wrong with it
            yield _Statement(cell, frozenset({entry}))
        return
    lines = LINE_END.split(text)
    for first, last in _spans(body):
        yield _understood("\n".join(lines[first - 1 : last]))


def _parsed(cell: str) -> tuple[str, list[ast.stmt] | None]:
    """The text of a cell and its statements; ``None`` where it is no Python.

    Lines for IPython are left out only where it is none with them: ``%`` also begins a line of
    arithmetic.
    """
    for text in (cell, _MAGIC.sub("", cell)):
        with suppress(*CANNOT_PARSE):
            return text, ast.parse(text).body
    return cell, None


def _spans(body: Iterable[ast.stmt]) -> list[tuple[int, int]]:
    """The first and the last line of each statement; those that share a line are one."""
    spans: list[tuple[int, int]] = []
    for node in body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        last = node.end_lineno or first
        if spans and first <= spans[-1][1]:
            first, _ = spans.pop()
        spans.append((first, last))
    return spans


def _understood(source: str) -> _Statement:
    with suppress(*CANNOT_PARSE):  # parsed as part of a cell, a line of it may be none
        tree, table = ast.parse(source), symtable(source, "cell", "exec")
        names = table.get_symbols()
        imports = {name.get_name() for name in names if name.is_imported()}
        binds = imports | {name.get_name() for name in names if name.is_assigned()}
        if any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(tree)):
            imports.add("*")
        sets = (binds, _changes(tree), _uses(table), imports)
        return _Statement(source, *map(frozenset, sets))
    return _Statement(source)


def _changes(node: ast.AST) -> Iterator[str]:
    """The names of what is filled by its keys, its fields or its methods."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return  # nothing of it happens here
        case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store()):
            yield from _root(node)
        case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
            yield from _root(method)
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _changes(child)


def _root(node: ast.AST) -> Iterator[str]:
    """``table`` in ``table.setdefault(key, [])[0].field``."""
    match node:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
            yield from _root(inner)
        case _:
            pass


def _uses(table: SymbolTable) -> Iterator[str]:
    for name in table.get_symbols():
        if name.is_referenced() and (table.get_type() == "module" or name.is_global()):
            yield name.get_name()
    for inner in table.get_children():
        yield from _uses(inner)
