"""The list is in the order in which the jobs came.

Part: A
Caught by: first-in-is-first-out
"""


def next_job(waiting):
    return waiting[0]
