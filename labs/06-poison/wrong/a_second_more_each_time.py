"""Each time a second more is a backoff.

Part: B
Caught by: the-wait-doubles
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(job.attempts + 1, 8) if how.reported else 0
