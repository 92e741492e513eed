"""A failure that the worker survived is not worth counting.

Part: A
Caught by: reported-attempts-add-up
"""


def what_next(job, how):
    if how.reported:
        return False, 1
    if job.attempts + 1 >= job.max_attempts:
        return None
    return how.place < how.slots, 0
