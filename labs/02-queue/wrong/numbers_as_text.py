"""Numbers sort like names.

Part: A
Caught by: first-in-is-first-out
"""


def next_job(waiting):
    return min(waiting, key=lambda job: (-job.priority, not job.came_back, str(job.number)))
