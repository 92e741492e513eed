"""Who was there when a worker died is never let near another.

Part: C
Caught by: nobody-is-given-up-early
"""


def what_next(job, how):
    if not how.reported:
        return None if how.place < how.slots else (False, 0)
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8)
