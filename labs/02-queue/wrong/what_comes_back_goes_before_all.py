"""What comes back goes first, whatever its priority.

Part: D
Caught by: priority-goes-first
"""


def next_job(waiting):
    return min(waiting, key=place)


def place(job):
    if job.came_back:
        return 0, -job.priority, job.number, 0
    return 1, -job.priority, job.since, job.number
