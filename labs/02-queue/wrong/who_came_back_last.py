"""Among those that came back, the first to come back is next.

Part: C
Caught by: first-in-is-first-out
"""


def next_job(waiting):
    return min(waiting, key=lambda job: (-job.priority, not job.came_back, job.since, job.number))
