"""Who may use the dashboard, where there is a token: programs show it, browsers log in with it.

- A program sends the token with each request (see ``services.common.access``).
- A browser opens ``/?token=TOKEN`` once, the link that whoever started the dashboard has, or
  types the token into the login form. Both set a cookie and lead to the page, without the token
  in the address. JupyterLab does the same.

The cookie is not the token, but made from it: whoever finds the cookie in a browser can use the
dashboard until the token changes, and nothing else. Scripts cannot read it (``HttpOnly``), and
pages of other sites cannot have it sent along with a request that changes something
(``SameSite=Lax``), and behind a proxy with TLS it never travels without (``Secure``). Open to
all are ``GET /healthz``, because probes have no token, and the script and style of the page,
which hold nothing.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, abort, make_response, render_template, request

from nucleus.rpc.guard import same
from nucleus.services.common.access import refusal, shows

OPEN_PATHS = ("/healthz",)
LOGIN_PATH = "/login"
FORM_LIMIT = 4_096
"""Bytes of a login form; the longest token is 512."""


def guard(app: Flask, token: str) -> None:
    """Let in who shows the token or has logged in with it; everybody, if there is none.

    Logging in is answered here, before any route: routes are for those who are in.
    """
    if token:
        app.before_request(_check(token))


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Say in the OpenAPI document that a token is asked for."""
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    refused = {
        "description": "The token is missing, or wrong.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for path, item in document["paths"].items():
        for operation in (value for value in item.values() if "responses" in value):
            if path in OPEN_PATHS:
                operation["security"] = []
            else:
                operation["responses"]["401"] = refused
    return document


def _check(token: str) -> Callable[[], Response | None]:
    name, value = _cookie(token)

    def check() -> Response | None:
        if request.path in OPEN_PATHS or request.endpoint == "static":
            return None
        if request.path == LOGIN_PATH and request.method == "POST":
            return _log_in(_form_token())
        if request.path == "/" and "token" in request.args:
            return _log_in(request.args["token"])
        if shows(token) or same(request.cookies.get(name, ""), value):
            return None
        return _refuse()

    def _log_in(given: str) -> Response:
        if not same(given, token):
            return _form("This is not the token.")
        response = _moved_to_page()
        response.set_cookie(
            name, value, httponly=True, samesite="Lax", secure=_over_https(), path="/"
        )
        return response

    return check


def _cookie(token: str) -> tuple[str, str]:
    """Return name and value. Browsers do not tell ports apart, so each token has a name."""
    made = hmac.new(token.encode(), b"the cookie of the dashboard", hashlib.sha256).hexdigest()
    return f"nucleus-{made[:8]}", made[8:]


def _over_https() -> bool:
    """Whether the browser speaks HTTPS to the proxy in front, as far as that says so.

    Anybody can say so; it is then the cookie of that one that is not sent over plain HTTP.
    """
    schemes = request.headers.get("X-Forwarded-Proto", request.scheme)
    return schemes.partition(",")[0].strip().lower() == "https"  # that of the outermost proxy


def _form_token() -> str:
    if (request.content_length or 0) > FORM_LIMIT:
        abort(413, f"a login form has at most {FORM_LIMIT:,} bytes")
    return request.form.get("token", "").strip()


def _moved_to_page() -> Response:
    response = Response(status=303, headers={"Location": "./"})
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse() -> Response:
    """Show the login form to a browser that opens a page; raise the error for all others."""
    wants = request.accept_mimetypes
    if "HX-Request" in request.headers:
        # The open page asks for news, and the token has changed: it has to log in again.
        return Response(status=401, headers={"HX-Refresh": "true"})
    if request.method == "GET" and wants["text/html"] > wants["application/json"]:
        return _form("")
    raise refusal()


def _form(problem: str) -> Response:
    root = "../" * (request.path.count("/") - 1) or "./"  # as on the page itself
    response = make_response(render_template("login.html", root=root, problem=problem), 401)
    response.headers["Cache-Control"] = "no-store"
    return response
