"""The first attempt is number one, so the first wait is two.

Part: B
Caught by: the-wait-doubles
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    attempts = job.attempts + 1
    if attempts >= job.max_attempts:
        return None
    return True, min(2**attempts, 8) if how.reported else 0
