"""What the graded labs check with.

* ``checking``   judges what a student wrote, in a process of its own: :func:`check`; and
  :func:`require`, for a grader's notebook
* ``verdict``    what comes of it; ``page`` shows it; ``errors`` when nothing can
* ``live``       the same code in a real cluster: :class:`Live`
* ``lab``        what a lab is; ``labs`` are the labs
* ``judge``      many schedules, the first that fails, and how little of it is needed
* ``simulated``  schedules on the simulator; ``witness`` stands beside the student's code, and a
  ``facade`` between it and ours
* ``isolation`` ``child`` ``cage`` ``landlock`` ``seccomp``  the process that runs it, its limits
* ``code`` ``borrowed``  how code travels, and whether it is one's own
* ``release`` ``submissions`` ``classroom`` ``unusual`` ``feedback``  what an instructor runs a
  class with

A name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nucleus.grading.checking import check, require
    from nucleus.grading.live import Live
    from nucleus.grading.verdict import Verdict

__all__ = ["check", "require", "Live", "Verdict"]

_HOMES = {"check": "checking", "require": "checking", "Live": "live", "Verdict": "verdict"}


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nucleus.grading' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nucleus.grading.{_HOMES[name]}"), name)
