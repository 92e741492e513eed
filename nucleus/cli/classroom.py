"""``nucleus class``: what an instructor does with the labs of a whole class."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from nucleus.cli.lab import find_folder
from nucleus.cli.output import console, plain, table
from nucleus.core.errors import InvalidArgument
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from nucleus.grading.classroom import Mark
    from nucleus.grading.submissions import Submission

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group("class")
def classroom() -> None:
    """Release the labs to a class, and grade what comes back.

    \b
    Example: a term, in two lines.
      nucleus class release --to handout
      nucleus class grade submissions --to graded
    """


@classroom.command("release")
@click.argument("names", nargs=-1, metavar="[LAB]...")
@option("--to", type=_FOLDER, default=Path("release"), help="Where a folder is made for each lab.")
@option("--labs", type=_FOLDER, help="Folder of the labs; the checkout's own if not given.")
def release_command(names: tuple[str, ...], to: Path, labs: Path | None) -> None:
    """Build the student versions of all labs, or of those named.

    nbgrader takes the solutions and the hidden tests out. Then the text of every solution is
    looked for in what came out; where any is left, nothing is written.

    \b
    Example:
      nucleus class release 02-queue 05-fencing --to handout
    """
    from nucleus.grading.release import folders_of, release

    chosen = folders_of(labs or find_folder("labs"), names)
    _make(to)
    for lab in chosen:
        click.echo(release(lab, to))


@classroom.command("grade")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@option(
    "--lab", metavar="LAB", help="The lab of all of them; told by what they define if not given."
)
@option("--to", type=_FOLDER, default=Path("graded"), help="Where pages and marks.csv go.")
@option("--jobs", type=click.IntRange(min=1), help="How many at a time; one for each processor.")
@option("--schedules", type=click.IntRange(1, 10_000), help="For each part, instead of the usual.")
@option("--seed", type=click.IntRange(min=0), default=0, help="The first schedule.")
def grade_command(
    folder: Path, lab: str | None, to: Path, jobs: int | None, schedules: int | None, seed: int
) -> None:
    """Grade the submissions in FOLDER, each in a process of its own.

    FOLDER holds a notebook or a .py file for each student, or a folder for each student. One
    that crashes, hangs or floods does not stop the others, nor cost them a point. A page for
    each student says what was found, with its picture; marks.csv has the points of each part.

    \b
    Example: submissions/ada.ipynb, submissions/bob.py, submissions/eve/queue.ipynb
      nucleus class grade submissions --lab 02-queue --to graded
    """
    from nucleus.grading.classroom import grade

    submissions = _collect(folder, lab, to)
    _make(to)
    screen = console()
    with _told_when_interrupted(), _progress(screen, len(submissions)) as tell:
        marks = grade(submissions, to, tell, jobs=jobs or 0, schedules=schedules, seed=seed)
    screen.print(_summary(marks))
    for line in _to_be_looked_at(marks):
        screen.print(line, markup=False)
    screen.print(f"marks: {to / 'marks.csv'}; pages: {to / 'students'}", markup=False)


def _collect(folder: Path, lab: str | None, to: Path) -> "list[Submission]":
    from nucleus.grading.labs import LABS
    from nucleus.grading.submissions import collect

    if lab is not None and lab not in LABS:
        raise InvalidArgument(f"lab: {lab!r} is not there; there are {', '.join(LABS)}")
    if to.resolve().is_relative_to(folder.resolve()):
        raise InvalidArgument(f"to: {to} is among the submissions; choose another folder")
    return collect(folder, [LABS[lab]] if lab else LABS.values())


def _make(to: Path) -> None:
    """Make the folder that all goes to, before anything is done for nothing."""
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"to: cannot make {to}: {error.strerror}") from None


# ---- what is shown --------------------------------------------------------------------


@contextmanager
def _told_when_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted: marks.csv was not written; pages of some are there", err=True)
        raise


@contextmanager
def _progress(screen: Console, total: int) -> "Iterator[Callable[[Mark], None]]":
    """A bar on a terminal, else a line for each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    if not screen.is_terminal:
        yield lambda mark: click.echo(_line(mark))
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), "{task.description}")
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=total)

        def tell(mark: "Mark") -> None:
            description = plain(mark.submission.student).markup
            bar.update(task, advance=1, description=description)

        yield tell


def _line(mark: "Mark") -> str:
    lab = mark.submission.lab
    words = f"{mark.submission.student} {lab.name if lab else 'no lab'}"
    line = f"{words}: {mark.points} of {mark.max_points} points"
    return f"{line} ({mark.note})" if mark.note else line


def _summary(marks: "list[Mark]") -> Table:
    """How each part went, and what was found most often."""
    from nucleus.grading.classroom import why
    from nucleus.grading.judge import Outcome

    made = table("lab", "part", *(outcome.value for outcome in Outcome), "most often")
    parts = [part for mark in marks if mark.verdict for part in mark.verdict.parts.values()]
    for name in dict.fromkeys((part.lab.name, part.part.name) for part in parts):
        some = [part for part in parts if (part.lab.name, part.part.name) == name]
        counts = [str(sum(part.outcome is outcome for part in some)) for outcome in Outcome]
        found = Counter(why(part) for part in some if part.outcome is Outcome.FAIL)
        most = found.most_common(1)
        made.add_row(*name, *counts, plain(f"{most[0][0]} ({most[0][1]})" if most else ""))
    return made


def _to_be_looked_at(marks: "list[Mark]") -> Iterator[str]:
    if missing := sum(mark.verdict is None for mark in marks):
        yield f"{missing} could not be graded; marks.csv says why"
    if odd := sum(bool(mark.unusual) for mark in marks):
        yield f"{odd} should be read: what is unusual in them is in marks.csv"
