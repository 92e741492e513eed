"""Requests and answers as pydantic models: what is checked here is what OpenAPI promises.

Requests are read strictly (``"3"``, ``3.0`` and ``true`` are not the integer 3). The
description of a request's field completes the sentence "… is not allowed; …".
"""

import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from nucleus.core.checks import (
    MAX_ATTEMPTS,
    MAX_DELAY,
    MAX_KEY,
    MAX_NAME,
    MAX_PRIORITY,
    MAX_TIMEOUT,
)
from nucleus.core.errors import InvalidArgument
from nucleus.jobs.payload import shorten

M = TypeVar("M", bound=BaseModel)

OR_NULL = frozenset({"error", "worker", "retry_of"})


class SubmitRequest(BaseModel):
    """What ``POST /submit_job`` takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job_type: str = Field(
        min_length=1, max_length=MAX_NAME, description="the name of a job type, like Fibonacci"
    )
    payload: Any = Field(description="a JSON value that the job type takes")
    priority: int = Field(
        0,
        ge=-MAX_PRIORITY,
        le=MAX_PRIORITY,
        description=f"an integer from -{MAX_PRIORITY} to {MAX_PRIORITY}; higher runs first",
    )
    delay: float = Field(
        0.0,
        ge=0,
        le=MAX_DELAY,
        description=f"seconds to wait before the first attempt, from 0 to {MAX_DELAY:.0f}",
    )
    max_attempts: int = Field(
        3, ge=1, le=MAX_ATTEMPTS, description=f"an integer from 1 to {MAX_ATTEMPTS}"
    )
    timeout: float | None = Field(
        None,
        gt=0,
        le=MAX_TIMEOUT,
        description=f"seconds for each attempt, more than 0 and at most {MAX_TIMEOUT:.0f}, or null",
    )
    idempotency_key: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY,
        description=f"1 to {MAX_KEY} characters, or null; the same key gives the same job",
    )


def read_submit(value: Any) -> SubmitRequest:
    """Return the request that ``value`` is; raises ``InvalidArgument``, a sentence an error."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"the body: {_shown(value)} is not allowed; a JSON object is")
    try:
        return SubmitRequest.model_validate(value)
    except ValidationError as error:
        raise InvalidArgument(". ".join(sentences(error))) from None


def sentences(error: ValidationError) -> list[str]:
    """What is wrong with a request, a sentence for each field, which begins with its name."""
    return [_sentence(detail) for detail in error.errors(include_url=False)]


def _sentence(detail: ErrorDetails) -> str:
    # Half a surrogate pair in the name of a field has no place to be reported at.
    name = shorten(str(detail["loc"][0])) if detail["loc"] else "the name of a field"
    field = SubmitRequest.model_fields.get(name)
    if field is None:
        return f"{name}: unknown field; allowed are {', '.join(SubmitRequest.model_fields)}"
    if detail["type"] == "missing":
        return f"{name}: missing; {field.description}"
    return f"{name}: {_shown(detail['input'])} is not allowed; {field.description}"


def _shown(value: Any) -> str:
    return shorten(json.dumps(value))


class Answer(BaseModel):
    """What every answer without an error has."""

    success: Literal[True] = True


class Submitted(Answer):
    """A job was made, and is durable."""

    job_id: str


class Cancelled(Answer):
    """The job will not run, or its result will not count."""

    job_id: str
    status: Literal["CANCELLED"] = "CANCELLED"


class Job(BaseModel):
    """A job. Times are Unix seconds; what does not apply yet is null."""

    job_type: str
    payload: Any
    status: Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
    result: Any = Field(description="Once COMPLETED.")
    error: str | None = Field(description="Of the last attempt that failed.")
    worker: str | None = Field(description="Of the current or last attempt.")
    attempts: int = Field(description="Attempts that ended or were lost.")
    submitted_at: float
    started_at: float | None = Field(description="Start of the current or last attempt.")
    finished_at: float | None


class JobDetail(Job):
    """A job, with what a listing leaves out."""

    priority: int
    max_attempts: int
    output: str = Field(description="What the last attempt printed.")
    retry_of: str | None = Field(description="The job that this one tries again.")


class OneJob(Answer):
    """One job."""

    job_id: str
    job: JobDetail


class Jobs(Answer):
    """Jobs by id, oldest first."""

    jobs: dict[str, Job]


class Page(Jobs):
    """Some of the jobs: what was asked for with a limit."""

    next_page_token: str | None = Field(description="Null on the last page.")


class Worker(BaseModel):
    """A worker, as the master sees it."""

    name: str
    state: Literal["alive", "lost", "left"]
    connected: bool
    slots: int
    held: int = Field(description="Jobs leased to it.")
    running: int = Field(description="Of these, being run.")
    window: int = Field(description="How many jobs it would hold: its credit.")
    heartbeat_age: float = Field(description="Seconds since its last heartbeat.")
    job_types: list[str]


class Workers(Answer):
    """The workers that the master knows."""

    workers: list[Worker]


class Numbers(BaseModel):
    """The cluster in numbers."""

    ledger_id: str
    epoch: int = Field(description="How many masters have served this ledger.")
    jobs: dict[str, int] = Field(description="Jobs by status.")
    submitted: int
    requeued: dict[str, int] = Field(description="By reason.")
    rejected: dict[str, int] = Field(description="Late or wrong results, by reason.")
    oldest_queued_age: float = Field(description="Seconds; 0 when the queue is empty.")
    job_types: dict[str, str] = Field(description="What each job type takes, in words.")


class StatsAnswer(Answer):
    """The cluster in numbers."""

    stats: Numbers


class Health(Answer):
    """The master answers."""

    master: str = Field(description="Its address.")
    epoch: int


class Error(BaseModel):
    """What went wrong: the field, the value, and what is allowed."""

    success: Literal[False] = False
    error: str


def show(model: type[M], view: object) -> M:
    """Return the ``model`` of a client's view of the same fields."""
    values = {name: getattr(view, name) for name in model.model_fields}
    # A view spells "none" as an empty text, where JSON has null.
    values |= {name: values[name] or None for name in OR_NULL & values.keys()}
    return model(**values)
