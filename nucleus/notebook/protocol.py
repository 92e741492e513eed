"""The protocol as a lesson reads it: its text, and the stubs that are made of it."""

import re
import subprocess
import sys
import tempfile
import textwrap
from importlib.util import find_spec
from pathlib import Path

from nucleus.core.errors import InvalidArgument, NucleusError
from nucleus.rpc import job_queue_pb2

FILE = Path("nucleus", "rpc", "job_queue.proto")  # below the folder ``proto`` of the checkout
GENERATED = ("job_queue_pb2.py", "job_queue_pb2.pyi", "job_queue_pb2_grpc.py")
OPTIONS = ("--python_out", "--pyi_out", "--grpc_python_out")


def proto_folder() -> Path:
    """The checkout's folder ``proto``. Raises ``NucleusError`` where there is no checkout."""
    for base in (Path(__file__).parents[2], Path.cwd(), Path.cwd().parent):
        if (base / "proto" / FILE).is_file():
            return base / "proto"
    raise NucleusError(f"proto/{FILE} is part of the checkout, and not installed with the package")


def definition(name: str) -> str:
    """The lines that define a message, an enum, the service, or one of its calls.

    Raises ``InvalidArgument`` when the protocol has nothing of that name.
    """
    lines = (proto_folder() / FILE).read_text().splitlines()
    head = re.compile(rf"\s*(message|enum|service|rpc) {re.escape(name)}\b")
    begin = next((n for n, line in enumerate(lines) if head.match(line)), None)
    if begin is None:
        raise InvalidArgument(f"name: {name!r} is not defined in {FILE}")
    end = begin if lines[begin].endswith((";", "}")) else lines.index("}", begin)
    while lines[begin - 1].lstrip().startswith("//"):
        begin -= 1
    return textwrap.dedent("\n".join(lines[begin : end + 1]))


def regenerate() -> dict[str, str]:
    """Generate the stubs again, into a folder that is removed; say of each file what came out.

    Raises ``NucleusError`` with the compiler's words.
    """
    if find_spec("grpc_tools") is None:
        return dict.fromkeys(GENERATED, "not made: grpcio-tools is missing (`make setup` has it)")
    package = Path(job_queue_pb2.__file__).parent
    with tempfile.TemporaryDirectory(prefix="nucleus-") as folder:
        _compile(proto_folder(), folder)
        made = Path(folder, FILE).parent
        return {name: _compare(made / name, package / name) for name in GENERATED}


def _compile(proto: Path, folder: str) -> None:
    options = [f"-I{proto}", *(f"{option}={folder}" for option in OPTIONS)]
    command = [sys.executable, "-m", "grpc_tools.protoc", *options, str(proto / FILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NucleusError(f"the compiler did not take {FILE}: {done.stderr.strip()}")


def _compare(made: Path, ours: Path) -> str:
    text = made.read_text()
    same = "the same as in the package" if text == ours.read_text() else "not as in the package"
    return f"{len(text.splitlines())} lines, {same}"
