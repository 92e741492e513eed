"""A job that comes back joined the line last.

Part: C
Caught by: requeued-goes-before-new
"""


def next_job(waiting):
    return min(waiting, key=lambda job: (-job.priority, job.since, job.number))
