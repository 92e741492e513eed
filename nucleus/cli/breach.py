"""A broken promise, shown: in words, and as the space-time diagram of its job."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from nucleus.history import History

WIDTH = 110  # columns of a diagram


def show_breach(screen: Console, history: "History", name: str) -> None:
    """Show how the invariant ``name`` was broken, in words and as a diagram."""
    from nucleus.history.checker import check

    screen.print(check(history, [name]).text(), markup=False, soft_wrap=True)
    draw_breach(screen, history, name)


def draw_breach(screen: Console, history: "History", name: str) -> None:
    """Draw how the invariant ``name`` was broken, with no more than it takes."""
    from nucleus.core.events import JobSubmitted
    from nucleus.history.checker import check
    from nucleus.history.diagram import draw
    from nucleus.history.shrink import shrink_history

    breach = check(history, [name]).results[name].breaches[0]
    shown = shrink_history(history, name)
    submitted = (s.event.job_id for s in shown.events() if isinstance(s.event, JobSubmitted))
    jobs = [breach.job] if breach.job else list(submitted)
    screen.print(draw(shown, jobs).text(WIDTH), markup=False, soft_wrap=True)


def replay_command(path: Path) -> str:
    """How to judge what was saved once more."""
    return f"nucleus sim --replay {path}"
