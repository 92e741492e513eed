"""A job that comes back is as good as new.

Part: A
Caught by: nothing-is-invented
"""


def recover(lost, waiting):
    fresh = [type(job)(job.number, job.priority, False) for job in lost]
    return fresh + waiting
