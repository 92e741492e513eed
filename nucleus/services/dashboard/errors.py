"""Which error becomes which HTTP status, in one table, and what its message adds."""

from functools import partial

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from nucleus.core import errors
from nucleus.services.common.http import json_error, json_errors

STATUS: dict[type[errors.NucleusError], int] = {
    errors.InvalidArgument: 400,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.FailedPrecondition: 409,
    errors.ResourceExhausted: 429,
    errors.Unavailable: 503,
    errors.LedgerLost: 503,
    errors.Unauthenticated: 503,  # it is the dashboard's own token that the master refuses
}


def answer_errors(app: Flask) -> None:
    """Answer every error of ``app`` as JSON, under the status of the table."""
    json_errors(app)
    for kind, status in STATUS.items():
        app.register_error_handler(kind, partial(_refuse, status))
    app.register_error_handler(NotFound, _no_such_path)
    app.register_error_handler(MethodNotAllowed, _no_such_method)


def _refuse(status: int, error: errors.NucleusError) -> Response:
    return json_error(status, message_of(error))


def status_of(error: errors.NucleusError) -> int:
    """The status of an error; 500 for one that nobody here expects."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def message_of(error: errors.NucleusError) -> str:
    """The message, and, where that is in doubt, whether it may have happened nevertheless."""
    return f"{error}{_certainty(error)}"


def _certainty(error: errors.NucleusError) -> str:
    """Whether a request that changes something may have done so: what a client must know."""
    if request.method not in ("POST", "DELETE") or status_of(error) != 503:
        return ""
    if error.definite:
        return "; nothing happened, so you can send it again"
    return "; it may have happened, so look before you send it again"


def _no_such_path(error: NotFound) -> Response:
    return json_error(404, "there is nothing under this path; GET /openapi.json lists what is")


def _no_such_method(error: MethodNotAllowed) -> Response:
    allowed = ", ".join(sorted(error.valid_methods or ()))
    message = f"{request.method} is not allowed on this path; allowed are {allowed}"
    response = json_error(405, message)
    response.headers["Allow"] = allowed
    return response
