"""Whoever came last is next.

Part: A
Caught by: first-in-is-first-out
"""


def next_job(waiting):
    return max(waiting, key=lambda job: (job.priority, job.since, job.number))
