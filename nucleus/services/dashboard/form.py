"""The form that submits a job: what was typed into it, read field by field.

What a browser sends is text, and a payload is JSON. A form that comes back with words beside its
fields is an answer, not an error, so its status is 200; programs use ``POST /submit_job``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from nucleus.client import Stats
from nucleus.core.errors import NucleusError
from nucleus.jobs import Registry
from nucleus.jobs.payload import parse_payload
from nucleus.services.dashboard.errors import message_of
from nucleus.services.dashboard.gateway import Gateway
from nucleus.services.dashboard.models import SubmitRequest, sentences

FIELDS = ("job_type", "payload", "priority", "delay", "max_attempts", "timeout", "idempotency_key")
FIRST = "Fibonacci"
"""The type that an empty form begins with, where it is known."""


@dataclass(slots=True)
class Form:
    """What the form shows: the values as they were typed, and what is wrong with each."""

    types: dict[str, str]  # name -> what its payload may be, in words
    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)  # by field, "" for the whole
    job_id: str = ""  # of the job that was made

    @property
    def allowed(self) -> str:
        """What the payload of the chosen type may be, in words."""
        return self.types.get(self.values["job_type"], "a JSON value")


def job_types(registry: Registry, stats: Stats | None) -> dict[str, str]:
    """The types that can be chosen; without a master, those that are known here."""
    here = {name: registry.get(name).allowed for name in registry.names()}
    return dict(sorted({**here, **(stats.job_types if stats else {})}.items()))


def empty_form(registry: Registry, types: dict[str, str], job_type: str = "") -> Form:
    """A form for the type, with an example of its payload."""
    if job_type not in types:
        job_type = FIRST if FIRST in types else next(iter(types), "")
    return Form(types, {"job_type": job_type, "payload": example(registry, job_type)})


def example(registry: Registry, job_type: str) -> str:
    """A payload of the type, as JSON text."""
    value = registry.get(job_type).example if job_type in registry else None
    return json.dumps(value, ensure_ascii=False)


def submit(gateway: Gateway, types: dict[str, str], typed: Mapping[str, str]) -> Form:
    """Submit what was typed; return the form with the job's id, or with what is wrong."""
    form = Form(types, {name: typed.get(name, "").strip() for name in FIELDS})
    asked = _read(form)
    if asked is None:
        return form
    try:
        form.job_id = gateway.submit(**dict(asked))
    except NucleusError as error:
        _note(form, message_of(error))
    return form


def _read(form: Form) -> SubmitRequest | None:
    values: dict[str, Any] = {
        name: _number(text) for name, text in form.values.items() if text and name != "payload"
    }
    values |= {
        name: form.values[name] for name in ("job_type", "idempotency_key") if form.values[name]
    }
    try:
        values["payload"] = parse_payload(form.values["payload"])
    except ValueError as error:
        form.errors["payload"] = str(error)
    try:
        asked = SubmitRequest.model_validate({"payload": None, **values})
    except ValidationError as error:
        for sentence in sentences(error):
            _note(form, sentence)
        return None
    return None if form.errors else asked


def _number(text: str) -> Any:
    """The number that was typed, or else the text, which is then refused as such."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _note(form: Form, sentence: str) -> None:
    """Put a sentence beside the field whose name it begins with, or else above the form."""
    name, _, words = sentence.partition(": ")
    known = name in FIELDS and words
    form.errors[name if known else ""] = words if known else sentence
