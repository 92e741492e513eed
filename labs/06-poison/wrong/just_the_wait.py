"""How long it waits says everything.

Part: A
Caught by: wrong-answer
"""


def what_next(job, how):
    if job.attempts + 1 >= job.max_attempts:
        return None
    return min(2**job.attempts, 8)
