"""What is left of the budget decides; the wait is doubled once for each failure."""


def what_next(job, how):
    innocent = not how.reported and how.place + 1 > how.slots
    left = job.max_attempts - job.attempts
    if not innocent:
        left -= 1
    if left == 0:
        return None
    wait = 0
    if how.reported:
        wait = 1
        for _ in range(job.attempts):
            wait = min(wait * 2, 8)
    return not innocent, wait
