"""The OpenAPI 3.1 document that ``GET /openapi.json`` serves.

Schemas come from ``models`` and from the registry of job types, parameters from ``query``,
so that none of them is written down twice. Each job type has a branch of its own in the
request of ``submit_job``, with the schema of its payload.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from nucleus.jobs import Registry
from nucleus.services.dashboard import models
from nucleus.services.dashboard.query import PARAMETERS

Schema = dict[str, Any]

_DEFS = "#/components/schemas/"

_WHY = {
    "400": "The request is not allowed; the error names the field, the value, what is allowed.",
    "403": "A browser asks for a page of another site.",
    "404": "There is no such job, or page.",
    "409": "The job, or the idempotency key, is not in a state that allows this.",
    "413": "The body is too large.",
    "415": "The body is not declared to be JSON.",
    "429": "The queue is full.",
    "503": "The master does not answer.",
}

_JOB_ID = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "description": "The id that submit_job answered.",
    "schema": {"type": "string", "minLength": 1},
}


def document(registry: Registry, brought: Sequence[str]) -> Schema:
    """Return the document; ``brought`` names job types that are known only by their workers."""
    submit, payload_schemas = _submit_schema(registry, brought)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nucleus",
            "version": "1",
            "description": "Submit jobs to a distributed job queue, and follow them.",
        },
        "servers": [{"url": "."}],
        "paths": _paths(),
        "components": {"schemas": _answer_schemas() | payload_schemas | {"SubmitRequest": submit}},
    }


# ---- operations -----------------------------------------------------------------------


def _paths() -> Schema:
    job = "/jobs/{job_id}"
    return {
        "/submit_job": {"post": _submit_job()},
        "/get_all_jobs": {
            "get": _operation(
                "get_all_jobs", "List jobs, oldest first", _either("Page", "Jobs"), "404 503"
            )
        },
        job: {
            "parameters": [_JOB_ID],
            "get": _operation("get_job", "Look at a job", _ref("OneJob"), "404 503"),
            "delete": _operation(
                "cancel_job",
                "Cancel a job that has not ended; it stays in the ledger, as CANCELLED",
                _ref("Cancelled"),
                "403 404 409 503",
            ),
        },
        f"{job}/retry": {
            "parameters": [_JOB_ID],
            "post": _operation(
                "retry_job",
                "Make a new job like an ended one",
                _ref("Submitted"),
                "403 404 409 429 503",
            ),
        },
        "/workers": {"get": _operation("get_workers", "List workers", _ref("Workers"), "503")},
        "/stats": {"get": _operation("get_stats", "Count jobs", _ref("StatsAnswer"), "503")},
        "/healthz": {
            "get": _operation("get_health", "Whether the master answers", _ref("Health"), "503")
        },
        "/openapi.json": {
            "get": _operation("get_openapi", "This document", {"type": "object"}, "")
        },
        "/": {"get": _page()},
    }


def _submit_job() -> Schema:
    errors = "403 409 413 415 429 503"
    operation = _operation("submit_job", "Submit a job", _ref("Submitted"), errors)
    operation["requestBody"] = {"required": True, "content": _content(_ref("SubmitRequest"))}
    operation["responses"]["200"]["links"] = {
        name: {"operationId": name, "parameters": {"job_id": "$response.body#/job_id"}}
        for name in ("get_job", "retry_job")
    }
    return operation


def _page() -> Schema:
    operation = _operation("get_page", "The web page", {}, "404 503")
    for status in ("200", "404", "503"):
        operation["responses"][status]["content"] = {"text/html": {"schema": {"type": "string"}}}
    return operation


def _operation(name: str, summary: str, answer: Schema, errors: str) -> Schema:
    """An operation that answers 200, or one of ``errors`` (400 always is)."""
    responses = {"200": {"description": "It worked.", "content": _content(answer)}}
    for status in ["400", *errors.split()]:
        responses[status] = {"description": _WHY[status], "content": _content(_ref("Error"))}
    operation: Schema = {"operationId": name, "summary": summary, "responses": responses}
    if name in PARAMETERS:
        operation["parameters"] = [
            {"name": parameter, "in": "query", "required": False, **words}
            for parameter, words in PARAMETERS[name].items()
        ]
    return operation


def _content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Schema:
    return {"$ref": _DEFS + name}


def _either(*names: str) -> Schema:
    return {"anyOf": [_ref(name) for name in names]}


# ---- schemas --------------------------------------------------------------------------


def _answer_schemas() -> Schema:
    answers: list[type[BaseModel]] = [*models.Answer.__subclasses__(), models.Page, models.Error]
    _, schemas = models_json_schema(
        [(answer, "serialization") for answer in answers], ref_template=_DEFS + "{model}"
    )
    found: Schema = schemas["$defs"]
    return found


def _submit_schema(registry: Registry, brought: Sequence[str]) -> tuple[Schema, Schema]:
    """Return the request's schema, and the schemas that payloads refer to."""
    branches = []
    components: Schema = {}
    for name in registry.names():
        payload, parts = _payload_schema(registry, name)
        branches.append(_branch({"const": name}, payload, name))
        components |= parts
    if brought:
        words = "A job type that its workers brought; only they know what it takes."
        known = {"type": "string", "enum": list(brought)}
        branches.append(_branch(known, {"description": words}, "other job types"))
    return {"oneOf": branches}, components


def _branch(job_type: Schema, payload: Schema, title: str) -> Schema:
    schema = models.SubmitRequest.model_json_schema()
    schema["properties"] |= {"job_type": job_type, "payload": payload}
    return schema | {"title": title}


def _payload_schema(registry: Registry, name: str) -> tuple[Schema, Schema]:
    """Return the schema of a type's payload, and its parts under names of their own."""
    prefix = f"payload-{re.sub('[^A-Za-z0-9._-]', '_', name)}-"
    text = json.dumps(registry.json_schema(name)).replace('"#/$defs/', f'"{_DEFS}{prefix}')
    schema: Schema = json.loads(text)
    parts = {prefix + part: found for part, found in schema.pop("$defs", {}).items()}
    examples = schema.pop("examples", [])
    # A type that gives no example has null, which is seldom one.
    fitting = [each for each in examples if registry.check(name, json.dumps(each)) is None]
    return (schema | {"examples": fitting} if fitting else schema), parts
