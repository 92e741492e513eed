"""Reads the query string, strictly: unknown and repeated parameters are refused by name.

``PARAMETERS`` is the one list of them, for this module and for the OpenAPI document.
"""

import json
import re
from typing import Any

from flask import request

from nucleus.core.checks import MAX_NAME
from nucleus.core.errors import InvalidArgument
from nucleus.core.lifecycle import Status
from nucleus.jobs.payload import shorten

MAX_LIMIT = 5_000
"""Jobs on one page; the master's own limit."""

STATUSES = tuple(Status.__members__)
ORDERS = ("oldest", "newest")

PAGE_TOKEN = "^[0-9A-Za-z]{1,64}-[0-9]{10}$"
"""What page tokens look like; to whoever uses them, they mean nothing."""

_PAGE_TOKEN = {"type": "string", "pattern": PAGE_TOKEN}
_ORDER = {"type": "string", "enum": list(ORDERS)}

PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "get_all_jobs": {
        "status": {
            "description": "Only jobs in this status.",
            "schema": {"type": "string", "enum": list(STATUSES)},
        },
        "limit": {
            "description": "The length of a page. Without it, every job is streamed.",
            "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        },
        "page_token": {
            "description": "The next_page_token of the page before, in the same order.",
            "schema": _PAGE_TOKEN,
        },
        "order": {
            "description": "Which jobs come first; oldest, unless newest is asked for.",
            "schema": _ORDER,
        },
    },
    "get_page": {
        "status": {
            "description": "Only jobs in this status; all, when it is empty.",
            "schema": {"type": "string", "enum": ["", *STATUSES]},
        },
        "job_type": {
            "description": "Only jobs of this type; all, when it is empty.",
            "schema": {"type": "string", "maxLength": MAX_NAME},
        },
        "page_token": {
            "description": "The id of a job, behind which the page begins.",
            "schema": _PAGE_TOKEN,
        },
        "order": {
            "description": "Whether the page goes on towards older jobs, as it does unless oldest "
            "is asked for: then it comes from there, towards newer ones.",
            "schema": _ORDER,
        },
    },
    "find_job": {"job": {}},
    "get_form": {"job_type": {}},
}
"""By endpoint and name: the words and the schema. What is not here takes no parameters."""

_INTEGER = re.compile(r"-?[0-9]{1,9}")


def check_query() -> None:
    """Refuse parameters that the endpoint does not have, and repeated ones."""
    known = PARAMETERS.get(request.endpoint or "", {})
    for name, values in request.args.lists():
        if name not in known:
            allowed = f"allowed are {', '.join(known)}" if known else "this path takes none"
            raise InvalidArgument(f"{shorten(name)}: unknown query parameter; {allowed}")
        if len(values) > 1:
            raise InvalidArgument(f"{name}: {len(values)} query parameters; one is allowed")


def read_status() -> str:
    """The status to filter by, "" for all."""
    text = request.args.get("status")
    if text is not None and text not in _schema("status")["enum"]:
        raise _refusal("status", text, f"one of {', '.join(STATUSES)}")
    return text or ""


def read_job_type() -> str:
    """The job type to filter by, "" for all."""
    text = request.args.get("job_type", "")
    if len(text) > MAX_NAME:
        raise _refusal("job_type", text, f"a name of at most {MAX_NAME} characters")
    return text


def read_newest_first(*, unless_told: bool = False) -> bool:
    """Whether the newest jobs come first; ``unless_told`` is the answer when nothing is said."""
    text = request.args.get("order")
    if text is not None and text not in ORDERS:
        raise _refusal("order", text, f"one of {', '.join(ORDERS)}")
    return unless_told if text is None else text == "newest"


def read_limit() -> int | None:
    """The length of a page, ``None`` when there is none."""
    text = request.args.get("limit")
    if text is None:
        return None
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise _refusal("limit", text, f"an integer from 1 to {MAX_LIMIT}")
    return int(text)


def read_page_token() -> str:
    """Where the listing begins, "" for the first job."""
    text = request.args.get("page_token")
    if text is not None and not re.fullmatch(PAGE_TOKEN, text, re.ASCII):
        raise _refusal("page_token", text, "the next_page_token of the page before, or none")
    return text or ""


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = PARAMETERS[request.endpoint or ""][name]["schema"]
    return schema


def _refusal(name: str, text: str, allowed: str) -> InvalidArgument:
    return InvalidArgument(f"{name}: {json.dumps(shorten(text))} is not allowed; {allowed}")
