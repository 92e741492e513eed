"""The table of mutants: known-wrong versions of the code, each with what has to catch it.

A mutant is a function that changes the real code in a few places, with the misunderstanding
behind it as its docstring; :func:`mutant` enters it in :data:`MUTANTS`. The change lasts for
as long as ``with MUTANTS[name].installed():`` does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

Method = Callable[..., Any]


class Patch:
    """Changes attributes, and can put back what was there."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put ``value`` in the place of an attribute of a class or a module."""
        self._before.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def method(self, owner: type) -> Callable[[Method], Method]:
        """Replace the method that has the function's name; the right one comes first in a call.

        ``def commit(real, store)`` replaces ``commit``, and may call ``real(store)``.
        """

        def put(wrong: Method) -> Method:
            real = vars(owner)[wrong.__name__]

            @wraps(real)
            def call(*args: Any, **kwargs: Any) -> Any:
                return wrong(real, *args, **kwargs)

            self.replace(owner, wrong.__name__, call)
            return wrong

        return put

    def undo(self) -> None:
        """Put everything back."""
        while self._before:
            setattr(*self._before.pop())


@dataclass(frozen=True, slots=True)
class Mutant:
    """Known-wrong code."""

    name: str
    misunderstanding: str
    caught_by: str  # the invariant that it breaks
    apply: Callable[[Patch], None]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Run the wrong code in place of the real one, in this process."""
        patch = Patch()
        try:
            self.apply(patch)
            yield
        finally:
            patch.undo()


MUTANTS: dict[str, Mutant] = {}
"""By name."""


def mutant(caught_by: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Enter a mutant in the table: its name with hyphens, its docstring as the mistake."""

    def enter(apply: Callable[[Patch], None]) -> Callable[[Patch], None]:
        name = apply.__name__.replace("_", "-")
        MUTANTS[name] = Mutant(name, apply.__doc__ or "", caught_by, apply)
        return apply

    return enter
