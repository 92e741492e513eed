"""What the repository says about itself is true: its verbs, dependencies, stubs and files."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rattler import MatchSpec

from tests.support import require

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = [f"requirements{of}.txt" for of in ("", "-dev", "-bench", "-services", "-build")]
STUBS = ["job_queue_pb2.py", "job_queue_pb2.pyi", "job_queue_pb2_grpc.py"]
VERBS = (
    "help setup lab demo test test-long test-full lint types proto diagram screenshots"
    " bench bench-quick clean requirements"
)

# Where conda-forge calls a package by another name than PyPI.
CONDA_NAME = {"prometheus-client": "prometheus_client", "matplotlib": "matplotlib-base"}
# What only the conda face lists, since pyproject.toml cannot.
CONDA_ONLY = {"python", "pip", "graphviz"}

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|work|home|Users)/\w")
DOWNLOAD = re.compile(r"https?://[^\s\"]+(?:\.whl|\.tar\.gz|\.tgz|/simple)\b")


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def files() -> list[Path]:
    """Return the files that are, or with the next commit could be, in the repository."""
    require("git", "git")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    assert listed.returncode == 0, listed.stderr
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file that is text."""
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield str(path.relative_to(ROOT)), content.decode("utf-8")


def split(requirement: str) -> tuple[str, str]:
    """Split ``grpcio>=1.85.1`` into its name and its bound."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z]+\])?([<>=!~].*)?", requirement)
    assert match, requirement
    return match[1], match[2] or ""


def core_and_lab() -> dict[str, str]:
    return dict(map(split, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]))


def pins(file: str) -> dict[str, str]:
    """Return the pinned versions of a requirements file, by package."""
    text = (ROOT / file).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", text, re.MULTILINE))


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


# Verbs


def test_make_help_lists_every_verb_with_its_text() -> None:
    require("make", "make")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    assert phony[1].split() == VERBS.split()
    # `make test` runs this, and a make inside a make would name the folder it enters.
    listed = run("make", "--no-print-directory").stdout
    assert listed == run("make", "--no-print-directory", "help").stdout
    texts_of = dict(line.split(maxsplit=1) for line in listed.splitlines())
    assert list(texts_of) == VERBS.split()


def test_setup_refuses_an_old_python_in_words(tmp_path: Path) -> None:
    require("make", "make")
    for name in ["Makefile", "pyproject.toml", "requirements-dev.txt"]:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    setup = run("make", "setup", "PYTHON=false", cwd=tmp_path)
    assert setup.returncode != 0
    assert "Nucleus needs Python 3.11 or newer" in setup.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_is_a_sound_script_that_may_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert run("bash", "-n", str(script)).stderr == ""


# Dependencies


@pytest.mark.parametrize("file", PINNED)
def test_every_pin_has_hashes_and_no_address(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    entries = "\n".join(lines).replace(" \\\n", " ").splitlines()
    entry = re.compile(r"[a-z0-9.-]+==\S+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line for line in entries if not entry.fullmatch(line)] == []
    assert "://" not in text


def test_the_two_sets_of_pins_agree() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_every_dependency_is_pinned() -> None:
    dev = PROJECT["optional-dependencies"]["dev"]
    assert dev[0] == "nucleus[lab]"
    assert dict(map(split, dev[1:])).keys() <= pins("requirements-dev.txt").keys()
    assert core_and_lab().keys() <= pins("requirements.txt").keys()


def test_conda_reads_every_entry_and_finds_the_same_dependencies() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    specs = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert {"pip": ["-e .[lab]"]} in environment["dependencies"]
    for spec in specs:
        MatchSpec(spec, strict=True)
    conda = dict(map(split, specs))
    expected = {CONDA_NAME.get(name, name): bound for name, bound in core_and_lab().items()}
    assert {name: bound for name, bound in conda.items() if name not in CONDA_ONLY} == expected
    assert conda.keys() >= CONDA_ONLY


# What is generated


def test_the_committed_stubs_are_what_the_proto_generates(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    proto = "proto/nucleus/rpc/job_queue.proto"
    made = run(sys.executable, "-m", "grpc_tools.protoc", "-I", "proto", *outputs, proto)
    assert made.returncode == 0, made.stderr
    generated = tmp_path / "nucleus" / "rpc"
    assert sorted(path.name for path in generated.iterdir()) == sorted(STUBS)
    for stub in STUBS:
        fresh = (generated / stub).read_bytes()
        assert fresh == (ROOT / "nucleus/rpc" / stub).read_bytes(), f"{stub}: run `make proto`"


@pytest.mark.parametrize(
    ("stub", "pattern", "package"),
    [
        ("job_queue_pb2.py", r"Protobuf Python Version: ([\d.]+)", "protobuf"),
        ("job_queue_pb2_grpc.py", r"GRPC_GENERATED_VERSION = '([\d.]+)'", "grpcio"),
    ],
)
def test_no_allowed_runtime_is_older_than_the_stubs(stub: str, pattern: str, package: str) -> None:
    written_by = re.search(pattern, (ROOT / "nucleus/rpc" / stub).read_text("utf-8"))
    assert written_by
    lowest = core_and_lab()[package].removeprefix(">=")
    assert version(lowest) >= version(written_by[1])


def test_the_diagram_can_be_drawn(tmp_path: Path) -> None:
    require("dot", "graphviz")
    picture = tmp_path / "architecture.png"
    drawn = run("dot", "-Tpng", "docs/architecture.dot", "-o", str(picture))
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (ROOT / "architecture.png").stat().st_size < 200_000


# Files


def test_no_file_names_a_machine_or_a_download() -> None:
    found = [
        f"{name}: {match[0]}"
        for name, text in texts()
        for pattern in (MACHINE_PATH, DOWNLOAD)
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_contributing_names_only_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`((?:nucleus|tests|docs|proto)/[\w./*]+|[\w-]+[.*]+\w+)`", text)
    assert len(named) > 5
    assert [name for name in named if not any(ROOT.glob(name))] == []


def test_notebooks_have_no_saved_outputs() -> None:
    for path in files():
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text("utf-8"))["cells"]
            code = [cell for cell in cells if cell["cell_type"] == "code"]
            saved = [cell for cell in code if cell["outputs"] or cell["execution_count"]]
            assert saved == [], path.name


def test_the_license_is_mit() -> None:
    text = (ROOT / "LICENSE.md").read_text("utf-8")
    assert text.startswith("# MIT License")
    assert "Permission is hereby granted, free of charge" in text
    assert PROJECT["license"] == "MIT"
