"""The smaller the number, the more important the job.

Part: B
Caught by: priority-goes-first
"""


def next_job(waiting):
    return min(waiting, key=lambda job: (job.priority, job.since, job.number))
