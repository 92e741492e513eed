"""Submitting what somebody typed."""

import json

from nucleus.client import Client, JobHandle
from nucleus.core.errors import InvalidArgument
from nucleus.jobs import JobType, Registry

MAX_COUNT = 10_000  # jobs that one click submits


def submittable(registry: Registry) -> list[JobType]:
    """The job types to choose from: those that take nobody down with them."""
    every = map(registry.get, registry.names())
    return [job_type for job_type in every if not job_type.kills_process]


def submit_text(
    client: Client, job_type: str, payload: str, count: int = 1, priority: int = 0
) -> list[JobHandle]:
    """Submit ``count`` jobs with the payload that the JSON text says; return their handles.

    Raises ``InvalidArgument`` for what is not allowed, before anything is submitted.
    """
    if not 1 <= count <= MAX_COUNT:
        raise InvalidArgument(f"count: {count} is not allowed; 1 to {MAX_COUNT:,}")
    try:
        value = json.loads(payload)
    except ValueError:
        raise InvalidArgument(
            f'payload: {payload!r} is not JSON; write numbers as 30, texts as "text"'
        ) from None
    return client.submit_many(job_type, [value] * count, priority=priority)
