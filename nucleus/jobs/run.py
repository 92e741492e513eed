"""One attempt at one job, in whatever process or thread this is."""

import traceback

from nucleus.core.facts import fact
from nucleus.jobs.functions import unpack
from nucleus.jobs.payload import dump_result, parse_payload
from nucleus.jobs.registry import JobFunction

MAX_ERROR_CHARACTERS = 2_000
"""Longest error text that is kept with a job; the traceback goes to the attempt's output."""

MAX_TRACEBACK_CHARACTERS = 16_000
"""Longest end of a traceback that is kept: an exception's text may be of any length."""


@fact
class Outcome:
    """How an attempt ended: exactly one of ``result`` and ``error`` is not None."""

    result: str | None  # JSON text
    error: str | None
    traceback: str = ""  # where the error came from, if the job raised one


def run(function: JobFunction, payload: str) -> Outcome:
    """Call ``function`` with the JSON text ``payload``; never raises."""
    try:
        value = parse_payload(payload)
    except ValueError as error:
        return Outcome(None, f"payload: {error}")
    try:
        returned = function(value)
    except BaseException as error:  # A job may raise anything: SystemExit too ends only it.
        return Outcome(None, describe(error), _trace(error))
    try:
        return Outcome(dump_result(returned), None)
    except ValueError as error:
        return Outcome(None, str(error)[:MAX_ERROR_CHARACTERS])


def run_carried(carried: bytes, payload: str) -> Outcome:
    """Call the function that ``functions.carry`` packed, on the far side of an executor."""
    try:
        function = unpack(carried)
    except BaseException as error:  # Importing a stranger's module may raise anything.
        return Outcome(None, describe(error), _trace(error))
    return run(function, payload)


def describe(error: BaseException) -> str:
    """Return ``error`` as one text, like ``ZeroDivisionError: division by zero``."""
    try:
        message = str(error)
    except Exception:  # An exception whose own text fails is a fine exception still.
        message = "its text cannot be shown"
    name = type(error).__name__
    text = f"{name}: {message}" if message else name
    return text[:MAX_ERROR_CHARACTERS].encode("utf-8", "backslashreplace").decode()


def _trace(error: BaseException) -> str:
    inside = error.__traceback__ and error.__traceback__.tb_next  # Leave out our own frame.
    lines = traceback.format_exception(type(error), error, inside)
    text = "".join(lines)[-MAX_TRACEBACK_CHARACTERS:]
    return text.encode("utf-8", "backslashreplace").decode()
