"""What every answer forbids a browser, and which requests of a browser are refused.

A web page of a stranger can make a browser send requests here: it is inside, behind whatever
keeps the stranger out. So a request that changes something has to come from our own page, or
from no browser at all. The browser itself says which: ``Sec-Fetch-Site`` in all of today,
``Origin`` in older ones, and no page can forge either. That needs no token, no cookie and no
secret, works in any number of processes and behind a proxy, and costs programs such as curl,
which send neither header, nothing. Go's ``http.CrossOriginProtection`` does the same, and its
documentation tells why it is enough.
"""

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",  # no inline script, no inline style, nothing of another machine
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        # JupyterLab shows the page in a tab of its own, through its proxy, and so from its own
        # origin. Nobody else needs a frame; in one, clicks could be stolen.
        "frame-ancestors 'self'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": that would make the Origin of our own forms "null".
    "Referrer-Policy": "same-origin",
}

_SAFE = ("GET", "HEAD", "OPTIONS")


def protect(app: Flask) -> None:
    """Refuse what another site's page asks for, and send ``HEADERS`` with every answer."""
    app.before_request(_refuse_other_sites)
    app.after_request(_forbid)


def _forbid(response: Response) -> Response:
    response.headers.extend(HEADERS)
    return response


def _refuse_other_sites() -> None:
    if request.method not in _SAFE and not _is_from_here():
        abort(403, "a page of another site may not ask for this; open the dashboard itself")


def _is_from_here() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")  # "none": typed into the address bar
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:  # it is no address at all
        return False
