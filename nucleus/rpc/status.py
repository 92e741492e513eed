"""Refusals and errors as gRPC statuses, and back."""

from typing import TypeGuard

import grpc
import grpc.aio

from nucleus.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    NucleusError,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from nucleus.core.refusals import Reason, Refusal

CODES: dict[Reason, grpc.StatusCode] = {
    Reason.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.KEY_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Reason.KEY_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.QUEUE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.UNKNOWN_JOB: grpc.StatusCode.NOT_FOUND,
    Reason.ALREADY_ENDED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NOT_ENDED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STALE_LEASE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CANCELLED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WRONG_WORKER: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.OLD_SESSION: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.TOO_MANY_WORKERS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_TYPES: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.REPLACED: grpc.StatusCode.FAILED_PRECONDITION,
}

_ERRORS: dict[grpc.StatusCode, type[NucleusError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
}

# What a call is repeated after: nothing definite is known, or it definitely did not happen
# for a reason that passes.
PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)


# Carries the refusal's reason beside the status, for programs.
REASON_KEY = "nucleus-reason"


def failed(
    code: grpc.StatusCode, details: str, reason: tuple[tuple[str, str], ...] = ()
) -> grpc.aio.AioRpcError:
    """The error of a call that ended with a status, and perhaps with the reason of a refusal."""
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(*reason), details=details
    )


def reason_of(error: grpc.aio.AioRpcError) -> Reason | None:
    """The reason of the refusal that ``error`` carries, if it is one."""
    for key, value in error.trailing_metadata() or ():
        if key == REASON_KEY:
            return Reason.__members__.get(str(value))
    return None


def refusal_error(refusal: Refusal) -> NucleusError:
    """The exception for a refusal."""
    definite = refusal.reason is not Reason.KEY_EXPIRED
    return _ERRORS[CODES[refusal.reason]](refusal.message, definite=definite)


def rpc_error(error: grpc.aio.AioRpcError) -> NucleusError:
    """The exception for a call that ended with a status."""
    message = error.details() or error.code().name
    kind = _ERRORS.get(error.code())
    if kind is not None:
        return kind(message)
    if error.code() is grpc.StatusCode.ABORTED:
        return Unavailable(message, definite=True)
    return Unavailable(message)


def is_unauthenticated(error: BaseException) -> TypeGuard[grpc.aio.AioRpcError]:
    """Whether a call was refused for its token: trying again with the same one is no use."""
    code = grpc.StatusCode.UNAUTHENTICATED
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is code


def handshake_failure(error: grpc.aio.AioRpcError) -> str:
    """What to add about a call that failed, perhaps because the two ends disagree about TLS."""
    details = error.details() or ""
    if "CERTIFICATE_VERIFY_FAILED" in details:
        return "; the authority that you trust does not vouch for its certificate"
    if "Hostname Verification" in details:
        return "; its certificate is for other names (see: nucleus certs --host)"
    if "handshake failed" in details:
        return "; it does not speak TLS"
    if "Socket closed" in details:
        return "; it closes the connection, as a master does that expects TLS (see --tls-ca)"
    return ""


def brief(error: BaseException) -> str:
    """One line for a log about a call that failed."""
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
