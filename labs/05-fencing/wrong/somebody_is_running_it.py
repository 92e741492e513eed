"""A result for a running job is its result.

Part: B
Caught by: only-the-current-lease-counts
"""


def accept(job, report):
    return job.status == "RUNNING"
