"""Whoever was with a worker when it died may have killed it.

Part: D
Caught by: innocents-are-not-charged
"""


def what_next(job, how):
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8) if how.reported else 0
