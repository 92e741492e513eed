"""A single job can wait until another comes.

Part: A
Caught by: every-job-ends
"""


def next_job(waiting):
    if len(waiting) < 2:
        return None
    return min(waiting, key=place)


def place(job):
    if job.came_back:
        return -job.priority, 0, job.number, 0
    return -job.priority, 1, job.since, job.number
