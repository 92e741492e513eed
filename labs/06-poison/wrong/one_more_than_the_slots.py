"""Places count from one.

Part: D
Caught by: innocents-are-not-charged
"""


def what_next(job, how):
    if not how.reported and how.place > how.slots:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8) if how.reported else 0
