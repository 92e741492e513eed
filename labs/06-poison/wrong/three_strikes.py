"""Three times is what everybody gets.

Part: A
Caught by: attempts-are-limited
"""


def what_next(job, how):
    innocent = not how.reported and how.place >= how.slots
    if innocent:
        return False, 0
    if job.attempts + 1 >= 3:
        return None
    return True, min(2**job.attempts, 8) if how.reported else 0
