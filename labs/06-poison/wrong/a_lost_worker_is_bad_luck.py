"""That its worker was lost is not the fault of a job.

Part: C
Caught by: suspects-are-charged
"""


def what_next(job, how):
    if not how.reported:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8)
