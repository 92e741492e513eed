"""One key for all: smaller tuples go first."""


def next_job(waiting):
    return min(waiting, key=place, default=None)


def place(job):
    if job.came_back:
        return -job.priority, 0, job.number, 0
    return -job.priority, 1, job.since, job.number
