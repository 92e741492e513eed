"""What a solution has no use for, by name: a reason to read it before its points are believed.

It is a signpost for whoever grades, and costs nobody a point: most of what it names is
harmless, and somebody who means to hide something can. What is refused is refused elsewhere
(``cage``, ``borrowed``).
"""

import ast
from collections.abc import Iterator
from contextlib import suppress

_MODULES = """
__future__ abc array base64 binascii bisect collections copy dataclasses decimal enum fractions
functools hashlib heapq itertools json logging math nucleus numbers operator random re statistics
string struct textwrap time traceback typing unicodedata zlib
"""
MODULES = frozenset(_MODULES.split())
"""Modules in which a solution may well find something."""

_CALLS = "__import__ breakpoint compile delattr eval exec getattr globals locals open setattr vars"
CALLS = frozenset(_CALLS.split())
"""Functions by which anything is reached."""

FRAMES = ("f_", "tb_", "gi_", "cr_", "ag_")  # fields that lead to whoever called
HARMLESS = ("__init__", "__name__")


def unusual(code: str) -> list[str]:
    """What there is of it in ``code``, each once; nothing for what is no Python."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return list(dict.fromkeys(name for node in ast.walk(ast.parse(code)) for name in _in(node)))
    return []


def _in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if not _known(alias.name))
        case ast.ImportFrom(module=module):
            if not _known(module or "."):
                yield module or "."
        case ast.Name(id=name) if name in CALLS:
            yield name
        case ast.Attribute(value=ast.Name(id="nucleus"), attr=("grading" | "core") as part):
            yield f"nucleus.{part}"
        case ast.FunctionDef(name=name) if _inner(name):
            yield name
        case ast.Attribute(attr=name) if _inner(name) or name.startswith(FRAMES):
            yield name
        case ast.Constant(value=str(text)) if _inner(text):
            yield text[:40]
        case _:
            pass


def _known(module: str) -> bool:
    return module in MODULES or module.split(".")[0] in MODULES - {"nucleus"}


def _inner(name: str) -> bool:
    """Whether it is a name that Python keeps for itself."""
    return name.startswith("__") and name.endswith("__") and name not in HARMLESS
