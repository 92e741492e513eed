"""The sooner it is tried again the sooner it succeeds.

Part: B
Caught by: the-wait-doubles
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    if job.attempts + 1 >= job.max_attempts:
        return None
    return True, 0
