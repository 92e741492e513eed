"""The job type that Nucleus does not ship: ``nucleus worker --jobs benchmarks.nucleus_jobs``."""

from benchmarks.jobs import Job, gate
from nucleus import job_type

job_type(Job.GATE.value, payload=str, allowed="the path of a file", example="/tmp/open")(gate)
