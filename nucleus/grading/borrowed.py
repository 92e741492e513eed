"""Whether code calls the package for what the student is to write.

It reads names only: those that a pickle refers to, and what a file imports.
"""

import ast
import pickletools
import re
from collections.abc import Iterator

from nucleus.grading.code import Code
from nucleus.grading.lab import Finding
from nucleus.grading.witness import BORROWED, expected

ALLOWED = ("nucleus", "nucleus.grading", "nucleus.grading.labs.real_log")
"""What a notebook imports anyway: it runs the same code in a cluster afterwards."""

LABS = "nucleus.grading.labs"
"""Where the labs are, and what they compare an answer with."""

_MODULE = re.compile(r"nucleus(\.\w+)*")


def borrowed(code: Code) -> Finding | None:
    """A finding, when ``code`` uses more of the package than a notebook needs."""
    modules = _imports(code.data) if code.file else _references(code.data)
    wrong = next((name for name in modules if _MODULE.fullmatch(name) and not _allowed(name)), None)
    if wrong is None:
        return None
    return expected(BORROWED, f"The code uses {wrong}, where the answer is; write your own.")


def _allowed(module: str) -> bool:
    return module in ALLOWED or (module.startswith("nucleus.grading.") and LABS not in module)


def _references(data: bytes) -> Iterator[str]:
    for opcode, argument, _ in pickletools.genops(data):
        if isinstance(argument, str) and opcode.name != "GLOBAL":
            yield argument
        elif isinstance(argument, str):
            yield argument.split(" ")[0]


def _imports(source: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # it will be told of when it is made
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
