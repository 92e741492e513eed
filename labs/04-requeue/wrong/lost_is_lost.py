"""What a lost worker had is lost with it.

Part: A
Caught by: nothing-is-lost
"""


def recover(lost, waiting):
    return waiting
