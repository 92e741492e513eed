"""The last attempt is the one before the last.

Part: A
Caught by: nobody-is-given-up-early
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    if job.attempts + 2 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8) if how.reported else 0
