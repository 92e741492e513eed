"""It may work the next time.

Part: A
Caught by: attempts-are-limited
"""


def what_next(job, how):
    if not how.reported:
        return how.place < how.slots, 0
    return True, min(2**job.attempts, 8)
