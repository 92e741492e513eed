"""An attempt came to nothing, so the job waits.

Part: C
Caught by: the-wait-doubles
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, min(2**job.attempts, 8)
