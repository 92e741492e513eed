"""The floors: imports go down only, and the core touches nothing outside itself.

Every import under ``nucleus/`` is read from the source, also those inside functions, so that a
lazy import cannot hide one. A *unit* is what imports are judged between: a package of
``nucleus``, or one of the services.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nucleus"

# From the ground up. `services/common` is a floor of its own below the services, which
# meet only through gRPC and HTTP.
FLOORS = (
    {"core"},
    {"stores", "rpc", "jobs", "history"},
    {"client", "pictures"},
    {"services", "services.common"},
    {"services.master", "services.worker", "services.monitoring", "services.dashboard"},
    {"cluster", "sim"},
    {"notebook", "grading"},
    {"cli"},
    {"nucleus"},  # the face: nucleus/__init__.py and __main__.py, which nothing below may import
)
FLOOR_OF = {unit: height for height, units in enumerate(FLOORS) for unit in units}

# Modules without clock, randomness, threads, files, sockets or environment.
PURE = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "copy",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "types",
    "typing",
}
IMPURE_CALLS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}


def module_of(path: Path) -> str:
    """Return the dotted name of a source file: ``nucleus/core/ready.py`` is nucleus.core.ready."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> str:
    """Return the unit that a module of nucleus belongs to."""
    match module.split("."):
        case ["nucleus", "services", service, *_]:
            return f"services.{service}"
        case ["nucleus", package, *_] if package != "__main__":
            return package
        case _:
            return "nucleus"


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(source: str, package: str) -> Iterator[str]:
    """Yield the dotted name of every module that ``source``, a file of ``package``, imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            anchor = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*(anchor if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if is_module(name) else base


def violations(source: str, module: str, package: str) -> list[str]:
    """Return one sentence for each import of ``source`` that does not go down."""
    unit = unit_of(module)
    wrong = []
    for name in imported(source, package):
        target = unit_of(name)
        if name.split(".")[0] != "nucleus" or target == unit:
            continue
        if FLOOR_OF[target] >= FLOOR_OF[unit]:
            way = "sideways" if FLOOR_OF[target] == FLOOR_OF[unit] else "up"
            wrong.append(f"{module} imports {name}, which goes {way}")
    return wrong


def impurities(source: str, package: str) -> list[str]:
    """Return what ``source`` uses that would let the world into the core."""
    modules = [
        name
        for name in imported(source, package)
        if not name.startswith("nucleus.") and name.split(".")[0] not in PURE
    ]
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in IMPURE_CALLS
    ]
    return modules + calls


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_every_package_stands_on_a_floor() -> None:
    units = {unit_of(module_of(path)) for path in sources(PACKAGE)}
    assert units <= FLOOR_OF.keys(), "add the new package to FLOORS, and to CONTRIBUTING.md"


def test_imports_go_down_only() -> None:
    wrong = [
        violation
        for path in sources(PACKAGE)
        for violation in violations(path.read_text("utf-8"), module_of(path), package_of(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_is_pure() -> None:
    wrong = {
        module_of(path): found
        for path in sources(PACKAGE / "core")
        if (found := impurities(path.read_text("utf-8"), package_of(path)))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("source", "module", "package", "way"),
    [
        ("import nucleus.rpc", "nucleus.core.ledger", "nucleus.core", "up"),
        ("from nucleus import rpc", "nucleus.core.ledger", "nucleus.core", "up"),
        ("from ..rpc import x", "nucleus.core.ledger", "nucleus.core", "up"),
        ("from .. import rpc", "nucleus.core.ledger", "nucleus.core", "up"),
        ("def f():\n    import nucleus.cli", "nucleus.client.x", "nucleus.client", "up"),
        ("from nucleus import Client", "nucleus.cli.main", "nucleus.cli", "up"),
        ("import nucleus.rpc", "nucleus.stores.sqlite", "nucleus.stores", "sideways"),
        (
            "from nucleus.services.worker import x",
            "nucleus.services.master.server",
            "nucleus.services.master",
            "sideways",
        ),
        (
            "from ..master import x",
            "nucleus.services.common.http",
            "nucleus.services.common",
            "up",
        ),
    ],
)
def test_a_forbidden_import_is_found(source: str, module: str, package: str, way: str) -> None:
    assert [found.rsplit(" ", 1)[1] for found in violations(source, module, package)] == [way]


@pytest.mark.parametrize(
    ("source", "module", "package"),
    [
        ("from nucleus.core import ledger", "nucleus.sim.world", "nucleus.sim"),
        ("from . import events", "nucleus.core.ledger", "nucleus.core"),
        ("from .. import common", "nucleus.services.master.x", "nucleus.services.master"),
        ("import grpc, time", "nucleus.rpc.loop", "nucleus.rpc"),
    ],
)
def test_an_allowed_import_is_left_alone(source: str, module: str, package: str) -> None:
    assert violations(source, module, package) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n    from time import monotonic", ["time"]),
        ("import os.path", ["os.path"]),
        ("import asyncio, json", ["asyncio"]),
        ("def f():\n    print(1)", ["print"]),
    ],
)
def test_an_impure_core_is_found(source: str, found: list[str]) -> None:
    assert impurities(source, "nucleus.core") == found
