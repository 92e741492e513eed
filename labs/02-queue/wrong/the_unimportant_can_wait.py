"""Below zero means: not now.

Part: B
Caught by: every-job-ends
"""


def next_job(waiting):
    wanted = [job for job in waiting if job.priority >= 0]
    return min(wanted, key=place, default=None)


def place(job):
    return -job.priority, not job.came_back, job.number if job.came_back else job.since, job.number
