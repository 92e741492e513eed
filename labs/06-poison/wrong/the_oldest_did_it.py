"""The oldest job of a lost worker is the one that killed it.

Part: C
Caught by: suspects-are-charged
"""


def what_next(job, how):
    if not how.reported and how.place > 0:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8) if how.reported else 0
