"""The first result of a job counts, and the others do not.

Part: B
Caught by: only-the-current-lease-counts
"""


def accept(job, report):
    return job.status in ("QUEUED", "RUNNING")
