"""JSON text in, JSON text out, and what is refused on the way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleus.core.refusals import MAX_SHOWN
from nucleus.jobs import default_registry
from nucleus.jobs.payload import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_PAYLOAD_BYTES,
    dump_result,
    parse_payload,
    shorten,
)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    assert parse_payload(dump_result(value)) == value
    assert parse_payload(json.dumps(value)) == value


REFUSED = {
    "": "an empty text is not JSON",
    "{": "{ is not JSON",
    "'a'": "is not JSON",
    "01": "is not JSON",
    "1 2": "is not JSON",
    "\ufeff1": "is not JSON",
    "NaN": "NaN is not JSON",
    "-Infinity": "-Infinity is not JSON",
    '{"a": [NaN]}': "NaN is not JSON",
    "1e999": "1e999 is too large for a number",
    "[" * 65 + "]" * 65: "is nested more than 64 deep",
    '{"a":' * 100_000: "is nested more than 64 deep",
    "9" * (MAX_DIGITS + 1): "has 4,301 digits, at most 4,300 are allowed",
    '"' + "x" * MAX_PAYLOAD_BYTES + '"': "a text of 1,048,578 bytes is not allowed",
    r'"\ud800"': "is not Unicode text",
    '"\ud800"': "is not Unicode text",
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=lambda value: value[:20])
def test_what_is_not_json_is_refused_with_a_short_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_payload(text)
    message = str(refusal.value)
    assert reason in message
    assert len(message) < MAX_SHOWN + 100
    assert message.isprintable()
    assert (
        default_registry().check("Echo", text) == f"payload: {message}; Echo takes any JSON value"
    )


ALLOWED = [
    "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    json.dumps("[" * 1000),
    json.dumps('\\"' * 100 + "[{" * 1000),
    "[" + "[]," * 1000 + "[]]",
    "-" + "9" * MAX_DIGITS,
    '"' + "x" * (MAX_PAYLOAD_BYTES - 2) + '"',
    r'"\ud83d\ude00"',
]


@pytest.mark.parametrize("text", ALLOWED, ids=lambda text: text[:20])
def test_what_is_just_within_the_limits_is_allowed(text: str) -> None:
    parse_payload(text)


RESULTS: list[tuple[Any, str]] = [
    ({1, 2}, "the result is not JSON: Object of type set is not JSON serializable"),
    (float("nan"), "the result is not JSON: Out of range float values"),
    (10**MAX_DIGITS, "the result is not JSON: Exceeds the limit"),
    ("x" * MAX_PAYLOAD_BYTES, "the result: a text of 1,048,578 bytes is not allowed"),
    (json.loads("[" * 100 + "]" * 100), "is nested more than 64 deep"),
    ("\ud800", "is not Unicode text"),
]


@pytest.mark.parametrize(("value", "reason"), RESULTS, ids=[reason for _, reason in RESULTS])
def test_a_result_that_json_cannot_carry_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dump_result(value)


@given(st.text())
def test_what_a_message_shows_is_one_short_line(text: str) -> None:
    shown = shorten(text)
    assert len(shown) <= MAX_SHOWN
    assert shown.isprintable()
