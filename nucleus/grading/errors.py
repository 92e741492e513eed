"""What grading raises. In a notebook the message is all that is shown.

Where in our code it was raised helps nobody who looks for a mistake in their own.
"""

from nucleus.core.errors import InvalidArgument


class _InWords(Exception):
    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a stack trace."""
        return [str(self)]


class NotPassed(_InWords, AssertionError):
    """A verdict is not a pass; the message is the verdict in words."""


class CannotCheck(_InWords, InvalidArgument):
    """What was given cannot be checked; the message says why."""
