"""Whoever computed it, it is the same result.

Part: B
Caught by: only-the-current-lease-counts
"""


def accept(job, report):
    return True
