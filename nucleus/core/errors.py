"""The one tree of errors that Nucleus raises.

Each error says in ``definite`` whether the thing that was asked for definitely did not
happen (``True``) or may have happened (``False``). Telling the two apart is the central
lesson of remote calls; the boolean follows Maelstrom's error table
(jepsen-io/maelstrom, ``resources/errors.edn``).
"""


class NucleusError(Exception):
    """Something asked of Nucleus did not work out."""

    definite: bool = True

    def __init__(self, message: str, *, definite: bool | None = None) -> None:
        super().__init__(message)
        if definite is not None:
            self.definite = definite


class InvalidArgument(NucleusError, ValueError):
    """An argument is not allowed; the message names the field, the value and what is allowed."""


class NotFound(NucleusError, KeyError):
    """There is no such job."""

    __str__ = Exception.__str__  # KeyError would print the repr of the message.


class AlreadyExists(NucleusError):
    """The idempotency key belongs to a different job."""


class FailedPrecondition(NucleusError):
    """The job or lease is not in a state that allows this."""


class ResourceExhausted(NucleusError):
    """A limit is reached, such as the length of the queue."""


class Unavailable(NucleusError):
    """The master cannot be reached, or is not serving."""

    definite = False


class Unauthenticated(NucleusError):
    """The caller showed no token where one is required, or the wrong one."""


class LedgerLost(NucleusError):
    """Another ledger answers at this address; what the old one knew is not here."""

    definite = False


class JobFailed(NucleusError):
    """The job ended as FAILED; the message is its last error."""


class PortTaken(NucleusError):
    """Another process listens on the port already."""


class StoreRefused(NucleusError):
    """The store cannot be used: not a database, read-only, locked, or of a newer schema."""


class Fenced(NucleusError):
    """Another master has taken this store over; this one must stop."""


class CommitFailed(NucleusError):
    """A commit did not succeed; ``definite`` says whether COMMIT was never issued."""
