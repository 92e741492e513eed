"""Leave out those that cannot be next, until one is left."""


def next_job(waiting):
    if not waiting:
        return None
    highest = max(job.priority for job in waiting)
    important = [job for job in waiting if job.priority == highest]
    back = [job for job in important if job.came_back]
    if back:
        return min(back, key=lambda job: job.number)
    earliest = min(job.since for job in important)
    together = [job for job in important if job.since == earliest]
    return min(together, key=lambda job: job.number)
