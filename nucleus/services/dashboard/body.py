"""Reads the body of a request, strictly: JSON as the standard has it, and nothing else.

Python's own parser takes more than JSON (``NaN``), keeps the last of two equal names, and
breaks on deep nesting and on long integers. All of that is refused here, in words.
"""

import json
from typing import Any, NoReturn

from flask import abort, request

from nucleus.core.errors import InvalidArgument
from nucleus.jobs.payload import MAX_DEPTH, MAX_DIGITS, shorten

BODY_LIMIT = 3 * 2**19
"""Bytes, 1.5 MiB: room for the longest payload, 1 MiB, however it is indented."""


def read_json() -> Any:
    """Return the JSON value in the body.

    Answers 413 for a long one and 415 for another content type; raises ``InvalidArgument``
    for what is not JSON.
    """
    check_length()
    _check_type()
    return parse_json(_text(request.get_data(cache=False)))


def refuse_body() -> None:
    """Refuse the body of a request that takes none: what it asks for would be ignored."""
    if request.content_length:
        check_length()
        raise InvalidArgument(f"the body: {request.method} on this path takes none")


def check_length() -> None:
    """Answer 413 for a body that is longer than any that is asked for."""
    length = request.content_length or 0
    if length > BODY_LIMIT:
        abort(413, f"the body has {length:,} bytes; at most {BODY_LIMIT:,} (1.5 MiB) are allowed")


def _check_type() -> None:
    given = shorten(request.headers.get("Content-Type", "")) or "missing"
    if request.mimetype != "application/json":
        abort(415, f"Content-Type: {given} is not allowed; application/json is")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        abort(415, f"Content-Type: {given} is not allowed; the charset of JSON is utf-8")
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        abort(415, f"Content-Encoding: {shorten(encoding)} is not allowed; send the body as it is")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: {error.reason} at byte {error.start}"
        raise InvalidArgument(message) from None


def parse_json(text: str) -> Any:
    """Return the value that ``text`` stands for; raises ``InvalidArgument`` saying where."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_not_json, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidArgument(f"the body is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        allowed = f"a payload is nested at most {MAX_DEPTH} deep"
        raise InvalidArgument(f"the body is nested far too deeply; {allowed}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgument(f"{shorten(twice)}: stands twice in one object; once is allowed")
    return found


def _not_json(constant: str) -> NoReturn:
    raise InvalidArgument(f"the body is not JSON: {constant} is no JSON number")


def _integer(digits: str) -> int:
    count = len(digits.lstrip("-"))
    if count > MAX_DIGITS:
        given = f"{shorten(digits)} has {count:,} digits"
        raise InvalidArgument(f"the body: {given}; at most {MAX_DIGITS:,} are allowed")
    return int(digits)
