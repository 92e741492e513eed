"""The worker that has the job is known by its name.

Part: B
Caught by: only-the-current-lease-counts
"""


def accept(job, report):
    return job.status == "RUNNING" and job.worker == report.worker
