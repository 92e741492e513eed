"""Job types: what a job may be, what its payload must look like, and how it is run.

* ``registry``   what a job type is, and the explicit list of them
* ``payload``    JSON text in, JSON text out, with limits that hold everywhere
* ``types``      the job types that Nucleus ships
* ``functions``  how a function travels to a child process
* ``run``        one attempt at one job, in whatever process this is
* ``wire``       the framing between a worker and its child processes
* ``child``      the child process in which jobs run: ``python -m nucleus.jobs.child``

Everything here starts fast, because every child process imports it: pydantic is imported
when the first payload is checked, and grpc never.
"""

from nucleus.jobs import types as _shipped  # noqa: F401  (registers the shipped job types)
from nucleus.jobs.payload import MAX_PAYLOAD_BYTES, parse_payload
from nucleus.jobs.registry import (
    Between,
    JobType,
    Registry,
    default_registry,
    job_type,
    load_modules,
)

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "Between",
    "JobType",
    "Registry",
    "default_registry",
    "job_type",
    "load_modules",
    "parse_payload",
]
