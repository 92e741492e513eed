"""Refusals: how the ledger says no.

The core never raises for what a remote party did wrong; it answers with a
:class:`Refusal`. Shells turn the reason into a status code and send the message as it is:
it names the field, the value and what is allowed.
"""

from dataclasses import dataclass
from enum import Enum

MAX_SHOWN = 60  # characters of somebody's input that a message repeats


class Reason(Enum):
    """Why not."""

    INVALID = "a field has a value that is not allowed"
    KEY_CONFLICT = "the idempotency key belongs to a different job"
    KEY_EXPIRED = "the client's key is older than the window that is remembered"
    QUEUE_FULL = "as many jobs are queued as the limit allows"
    UNKNOWN_JOB = "there is no such job"
    ALREADY_ENDED = "the job has ended"
    NOT_ENDED = "the job has not ended"
    STALE_LEASE = "the lease is not the job's current one"
    CANCELLED = "the job was cancelled"
    WRONG_WORKER = "the lease was given to another worker"
    OLD_SESSION = "a session with this or a higher number is open"
    TOO_MANY_WORKERS = "as many workers are known as the limit allows"
    TOO_MANY_TYPES = "as many job types are known as the limit allows"
    REPLACED = "a newer incarnation of the worker has taken its place"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A typed no; nothing was changed."""

    reason: Reason
    message: str


def invalid(field: str, value: object, allowed: str) -> Refusal:
    """Refuse ``value`` for ``field``; ``allowed`` says in words what would have been taken."""
    return Refusal(Reason.INVALID, f"{field}: {shorten(value)} is not allowed; {allowed}")


def shorten(value: object) -> str:
    """``repr(value)`` on one short line, whatever somebody sent."""
    return one_line(repr(value))


def one_line(text: str, limit: int = MAX_SHOWN) -> str:
    """``text`` on one line of at most ``limit`` characters that can be printed."""
    head = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(character if character.isprintable() else "·" for character in head)
