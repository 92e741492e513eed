"""Student versions of the labs: built by nbgrader, and looked at before anybody gets them.

nbgrader replaces each solution by ``raise NotImplementedError()``, cuts out the hidden tests and
locks what is graded (https://nbgrader.readthedocs.io). Then the text of every solution and of
every hidden test is looked for in what came out; where any survives, nothing is released.
"""

import json
import logging
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from nucleus.core.errors import InvalidArgument, NucleusError

TELLING = 12  # characters; a shorter line of a solution tells nobody anything
_REGION = re.compile(
    r"^[ \t]*### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)^[ \t]*### END \1\n?", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"### (BEGIN|END) ")
_LINK_OUT = re.compile(r"\[([^]]+)\]\(\.\./[^)]*\)")  # to what a student is not given


def folders_of(labs: Path, names: Collection[str] = ()) -> list[Path]:
    """The folders of these labs, or of all; raises ``InvalidArgument`` for one that is not there.

    A folder with a number is a lab: ``labs/02-queue``.
    """
    known = {path.name: path for path in sorted(labs.glob("[0-9]*/"))}
    if not known:
        raise InvalidArgument(f"labs: {labs} has no folder of a lab, such as 02-queue")
    for name in names:
        if name not in known:
            raise InvalidArgument(f"labs: {name!r} is not there; there are {', '.join(known)}")
    return [path for name, path in known.items() if not names or name in names]


def release(lab: Path, to: Path) -> Path:
    """Write the student version of the lab in the folder ``lab`` to ``to``; return its folder.

    Raises ``NucleusError`` when nbgrader is not installed, when it cannot do it, and when any
    text of a solution is left.
    """
    folder = to / lab.name
    if folder.resolve() == lab.resolve():
        raise InvalidArgument(f"to: {to} is where the sources are; they would be overwritten")
    notebooks = sorted(lab.glob("*.ipynb"))
    if not notebooks:
        raise InvalidArgument(f"labs: {lab} has no notebook")
    with tempfile.TemporaryDirectory(prefix="nucleus-release-") as name:
        built = _build(notebooks, lab.name, Path(name))
        for path in (*built, lab / "README.md"):
            _look_at(path, notebooks)
        folder.mkdir(parents=True, exist_ok=True)
        for path in built:
            shutil.copyfile(path, folder / path.name)
        readme = (lab / "README.md").read_text("utf-8")
        (folder / "README.md").write_text(_LINK_OUT.sub(r"\1", readme), "utf-8")
    return folder


def _build(notebooks: list[Path], name: str, course: Path) -> list[Path]:
    """Have nbgrader build the student versions in a course of their own; it keeps no book."""
    try:
        from nbgrader.converters import GenerateAssignment
        from nbgrader.converters.base import NbGraderException
        from nbgrader.coursedir import CourseDirectory
        from traitlets.config import Config
    except ImportError:
        raise NucleusError("nbgrader is not installed; get it with: pip install nbgrader") from None
    source = course / "source" / name
    source.mkdir(parents=True)
    for notebook in notebooks:
        shutil.copy(notebook, source)
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.assignment_id = name
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    said = _Said()
    course_directory = CourseDirectory(config=config, log=said.logger)
    try:
        GenerateAssignment(course_directory, config=config, log=said.logger).start()
    except NbGraderException:
        raise NucleusError(f"nbgrader cannot release {name}: {said.why}") from None
    built = course / "release" / name
    return [built / notebook.name for notebook in notebooks]


class _Said(logging.Handler):
    """Keeps why nbgrader gave up, which it tells its log only."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.why = "it does not say why"
        self.logger = logging.Logger("nbgrader")  # of our own: nothing of it is printed
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error itself, the last line of its first traceback."""
        text = record.getMessage()
        if "Traceback" in text:
            self.why = text.strip().splitlines()[-1]


# ---- does anything survive? -----------------------------------------------------------


def _look_at(path: Path, sources: list[Path]) -> None:
    """Raise ``NucleusError`` when ``path`` holds what no student is to see."""
    text = "\n".join(_texts(path))
    if _MARK.search(text):
        raise NucleusError(f"{path.name}: the marks of a solution or of a hidden test are left")
    for source in sources:
        for line in secrets(source):
            if line in text:
                raise NucleusError(f"{path.name}: text of a solution is left: {line}")


def secrets(source: Path) -> list[str]:
    """Lines of the solutions and hidden tests of a notebook that stand nowhere else in it."""
    text = "\n".join(_texts(source))
    public = _REGION.sub("", text)
    hidden = (line.strip() for region in _REGION.finditer(text) for line in region[2].splitlines())
    return [line for line in dict.fromkeys(hidden) if len(line) >= TELLING and line not in public]


def _texts(path: Path) -> Iterator[str]:
    """What a student reads in a file; nbgrader has emptied the outputs of a notebook."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        yield text
        return
    for cell in json.loads(text)["cells"]:
        yield "".join(cell["source"])
