"""Who may use an HTTP service: whoever shows the token, where there is one.

``Authorization: Bearer TOKEN`` shows it, and so does Basic with the token as the password (the
user's name does not matter): that is what ``curl --user`` and the authentication handlers of
``push_to_gateway`` speak. Health pages stay open: probes have no token.
"""

from collections.abc import Callable, Collection

from flask import Flask, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from nucleus.rpc.guard import same


def require_token(app: Flask, token: str, open_paths: Collection[str]) -> None:
    """Answer 401 to requests without the token, but for ``open_paths``; nothing without one."""
    if token:
        app.before_request(_check(token, frozenset(open_paths)))


def _check(token: str, open_paths: Collection[str]) -> Callable[[], None]:
    def check() -> None:
        if request.path not in open_paths and not shows(token):
            raise refusal()

    return check


def shows(token: str) -> bool:
    """Whether the request shows the token in its header."""
    given = request.authorization
    if given is None or given.type not in ("bearer", "basic"):
        return False
    if given.type == "basic":
        return same(given.password or "", token)
    # As it was sent: a token with a "=" in it would be read as parameters.
    shown = request.headers["Authorization"].partition(" ")[2]
    return same(shown.strip(), token)


def refusal() -> Unauthorized:
    """The error to raise: it tells the wrong token from the missing one."""
    has_one = "Authorization" in request.headers
    message = "this is not the token" if has_one else "this service asks for a token"
    return Unauthorized(
        f"{message}; send it in a header: Authorization: Bearer TOKEN",
        www_authenticate=WWWAuthenticate("bearer", {"realm": "nucleus"}),
    )
