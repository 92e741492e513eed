"""Who doubles need not look where that leads.

Part: B
Caught by: the-wait-doubles
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, 2**job.attempts if how.reported else 0
