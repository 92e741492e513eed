"""``nucleus lab``."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from nucleus.core.errors import InvalidArgument, NucleusError
from nucleus.services.common.options import option

FIRST = "00_start_here.ipynb"
_QUIET = "--LabApp.news_url=None"  # else it asks whether it may fetch news, over the lesson


@click.command(context_settings={"ignore_unknown_options": True})
@option(
    "--notebooks",
    type=click.Path(path_type=Path),
    help="Folder of the notebooks; the checkout's own if not given.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB OPTIONS]")
def lab(notebooks: Path | None, arguments: tuple[str, ...]) -> None:
    """Open the lessons in JupyterLab, at the first one; Ctrl-C ends it.

    \b
    Example: on a machine without a browser.
      nucleus lab --no-browser
    """
    if find_spec("jupyterlab") is None:
        raise NucleusError("JupyterLab is not installed; get it with: pip install 'nucleus[lab]'")
    folder = notebooks or find_folder("notebooks")
    if not folder.is_dir():
        raise InvalidArgument(f"notebooks: {folder} is not a folder")
    options = [*_opening(folder), *_as_root(), _QUIET, *arguments]
    command = [sys.executable, "-m", "jupyterlab", *options, str(folder)]
    os.execv(sys.executable, command)  # JupyterLab takes this process's place, and its Ctrl-C


def _opening(folder: Path) -> list[str]:
    """Return the option that opens the first lesson, if it is there."""
    return [f"--LabApp.default_url=/lab/tree/{FIRST}"] if (folder / FIRST).is_file() else []


def _as_root() -> list[str]:
    """Return the option without which JupyterLab refuses root, as in a container."""
    return ["--allow-root"] if os.name == "posix" and os.geteuid() == 0 else []


def find_folder(name: str) -> Path:
    """Return a folder that comes with the package: the checkout's, or that of the current folder.

    Raises ``InvalidArgument``; the option that names another is called as the folder is.
    """
    for base in (Path(__file__).parents[2], Path.cwd()):
        folder = base / name
        if folder.is_dir():
            return folder
    raise InvalidArgument(f"{name}: no such folder here; name it with --{name}")
