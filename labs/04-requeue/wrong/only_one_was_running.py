"""A worker does one thing at a time, so one job comes back.

Part: A
Caught by: nothing-is-lost
"""


def recover(lost, waiting):
    return [lost[0], *waiting]
