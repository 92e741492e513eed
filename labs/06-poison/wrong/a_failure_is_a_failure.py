"""What has failed will fail again.

Part: A
Caught by: nobody-is-given-up-early
"""


def what_next(job, how):
    if how.reported:
        return None
    return how.place < how.slots, 0
