"""The most important job is next, whichever of them.

Part: A
Caught by: first-in-is-first-out
"""


def next_job(waiting):
    return max(waiting, key=lambda job: job.priority)
