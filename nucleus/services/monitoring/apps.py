"""The two faces of Monitoring as Flask apps: one takes pushes, one is scraped.

- ``push_app``: the Pushgateway protocol. ``PUT``, ``POST`` and ``DELETE`` on
  ``/metrics/job/<job>{/<label>/<value>}``; 200 for a push, 202 for a delete, 400 with the line
  and the reason for a push that is refused, 429 for one that there is no room for.
- ``scrape_app``: ``GET /metrics``, the text format.

Both answer ``GET /healthz``; the push side also the Pushgateway's own ``/-/healthy`` and
``/-/ready``. Where a token is asked for, those stay open.
"""

import gzip
import io
import zlib
from functools import partial
from typing import NoReturn

from flask import Flask, Response, abort, request
from werkzeug.exceptions import BadRequest

from nucleus.core.errors import InvalidArgument, NucleusError, ResourceExhausted
from nucleus.services.common.access import require_token
from nucleus.services.common.http import json_error, json_errors
from nucleus.services.monitoring.grouping import parse_grouping
from nucleus.services.monitoring.store import Store
from nucleus.services.monitoring.text_format import CONTENT_TYPE, Labels, bad, parse, render
from nucleus.services.monitoring.turns import Turns

GATEWAY_HEALTH = ("/-/healthy", "/-/ready")
HEALTH = ("/healthz", *GATEWAY_HEALTH)

BODY_LIMIT = 2 * 2**20
"""Bytes of one push, also once unpacked; a part of Nucleus pushes about 10 kB."""


def push_app(store: Store, token: str = "") -> Flask:
    """Return the app of the push port."""
    app = _app("push", token)
    app.url_map.merge_slashes = False  # a double slash is an empty label value, not a slip
    app.register_error_handler(InvalidArgument, partial(_refuse, 400))
    app.register_error_handler(ResourceExhausted, partial(_refuse, 429))
    app.before_request(_refuse_browsers)
    turns = Turns()
    for path in GATEWAY_HEALTH:
        app.add_url_rule(path, path, _healthy)

    @app.route("/metrics/<path:_path>", methods=["PUT", "POST"])
    def push(_path: str) -> Response:
        labels, body = _labels(), _body()
        with turns.turn(len(body)):
            store.push(labels, parse(body), replace_all=request.method == "PUT")
        return Response(status=200)

    @app.delete("/metrics/<path:_path>")
    def delete(_path: str) -> Response:
        store.delete(_labels())
        return Response(status=202)

    return app


def scrape_app(store: Store, token: str = "") -> Flask:
    """Return the app of the scrape port."""
    app = _app("scrape", token)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(render(store.collect()), content_type=CONTENT_TYPE)

    return app


def _app(name: str, token: str) -> Flask:
    app = Flask(f"{__name__}.{name}", static_folder=None)
    json_errors(app)
    require_token(app, token, HEALTH)
    app.add_url_rule("/healthz", "healthz", _healthy)
    return app


def _healthy() -> Response:
    return Response("OK\n", mimetype="text/plain")


def _refuse_browsers() -> None:
    # Only browsers send these. A page of a stranger could have one push, from the inside.
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
        abort(403, "no web page pushes metrics")


def _refuse(status: int, error: NucleusError) -> Response:
    return json_error(status, str(error))


def _labels() -> Labels:
    """Read the group from the path, whose bytes WSGI hands over as latin-1."""
    try:
        path = request.environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise InvalidArgument("the path is not UTF-8") from None
    return parse_grouping(path.removeprefix("/metrics/"))


def _body() -> str:
    if request.mimetype == "application/vnd.google.protobuf":
        abort(415, "protocol buffers are not taken here; push the text format")
    raw = _unpack(_raw())
    try:
        return raw.decode()
    except UnicodeDecodeError as reason:
        line = raw.count(b"\n", 0, reason.start) + 1
        raise bad(line, f"not UTF-8 ({reason.reason})") from None


def _raw() -> bytes:
    if (request.content_length or 0) > BODY_LIMIT:
        _too_large()
    return request.get_data(cache=False)


def _unpack(raw: bytes) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding != "gzip":
        abort(415, f"Content-Encoding {encoding!r} is not known; allowed: gzip, identity")
    try:
        unpacked = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(BODY_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as reason:
        raise BadRequest(f"the body is not gzip: {reason}") from None
    if len(unpacked) > BODY_LIMIT:
        _too_large()
    return unpacked


def _too_large() -> NoReturn:
    abort(413, f"the body has more than {BODY_LIMIT} bytes (2 MiB)")
