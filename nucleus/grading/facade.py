"""A facade: the words that a student's code may say to something of ours, and nothing else.

What the grader counts by stands behind it. Code that sets ``client.submitted`` or ``disk.dead``
sets it on the facade, where nobody looks.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any


class Facade:
    """Says ``words`` to ``behind``, and is called as that is."""

    def __init__(self, behind: object, *words: str) -> None:
        self._name = repr(behind)
        for word in words:
            setattr(self, word, _saying(getattr(behind, word)))

    def __repr__(self) -> str:
        return self._name


def _saying(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def say(*arguments: Any, **options: Any) -> Any:
        return call(*arguments, **options)

    return say
