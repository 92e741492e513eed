"""JSON text in, JSON text out: the limits that hold for every payload and every result.

Between the parts of Nucleus a payload is text, so that nobody on the way changes a number
by reading it and writing it again. This module is the one place that turns the text into a
value (``parse_payload``) and a value into text (``dump_result``). It refuses what JSON
does not have (``NaN``), and what would hurt whoever reads it next: a text of many
megabytes, a nest so deep that a parser runs out of stack, an integer so long that Python
refuses to read it.
"""

import json
import math
import re
from typing import Any, NoReturn

from nucleus.core.refusals import one_line as shorten

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_PAYLOAD_BYTES",
    "dump_result",
    "parse_payload",
    "shorten",
]

MAX_PAYLOAD_BYTES = 1 << 20
"""Longest payload or result, in bytes of UTF-8: a quarter of gRPC's default 4 MiB message."""

MAX_DEPTH = 64
"""Deepest nesting of arrays and objects. Python's own parser gives up near 1,000."""

MAX_DIGITS = 4_300
"""Longest integer, in digits: Python's own limit (``sys.set_int_max_str_digits``)."""

# A string (so that a bracket inside of it is not counted), or one bracket.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_payload(text: str) -> Any:
    """Return the value that the JSON ``text`` stands for.

    Raises ValueError, with a short message that is fit for the user, when the text is not
    JSON or is beyond a limit of this module.
    """
    _check_limits(text)
    decoder = _SHORT_DECODER if len(text) <= MAX_DIGITS else _DECODER
    try:
        value, end = decoder.raw_decode(text)
    except json.JSONDecodeError:
        end = -1
    if end != len(text):
        value = _decode_carefully(text, decoder)
    if "\\u" in text and _ESCAPED_SURROGATE.search(text):
        _check_unicode(value)
    return value


def _decode_carefully(text: str, decoder: json.JSONDecoder) -> Any:
    """Allow what JSON allows around a value, and say what is wrong."""
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        shown = shorten(text) or "an empty text"
        raise ValueError(f"{shown} is not JSON: {error.msg} at character {error.pos}") from None


def dump_result(value: Any) -> str:
    """Return ``value`` as JSON text that ``parse_payload`` would accept.

    Raises ValueError that says why the value cannot be a result.
    """
    try:
        text = repr(value) if type(value) is int else _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the result is not JSON: {error}") from error
    try:
        _check_limits(text)
    except ValueError as error:
        raise ValueError(f"the result: {error}") from error
    return text


def _check_limits(text: str) -> None:
    if len(text) > MAX_DEPTH or not text.isascii():  # else it cannot be beyond a limit
        _check_size(text)
        _check_depth(text)


def _check_size(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{shorten(text)} is not Unicode text: it has half a pair") from None
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"a text of {size:,} bytes is not allowed, at most {MAX_PAYLOAD_BYTES:,} are"
        )


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return  # Nearly every text: no need to look closer.
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        if text[match.start()] in "[{":
            depth += 1
        elif text[match.start()] in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"{shorten(text)} is nested more than {MAX_DEPTH} deep")


def _check_unicode(value: Any) -> None:
    """Refuse half a surrogate pair: JSON can spell it, but UTF-8 cannot carry it."""
    _check_size(json.dumps(value, ensure_ascii=False))


def _integer(digits: str) -> int:
    count = len(digits.lstrip("-"))
    if count > MAX_DIGITS:
        raise ValueError(
            f"{shorten(digits)} has {count:,} digits, at most {MAX_DIGITS:,} are allowed"
        )
    return int(digits)


def _number(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):  # It would be written as Infinity, which is not JSON.
        raise ValueError(f"{shorten(literal)} is too large for a number")
    return number


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Made once: ``json.dumps`` and ``json.loads`` with these options would make one for each call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_SHORT_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_not_json)
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_not_json)
