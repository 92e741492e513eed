"""The next in line has been promised its turn.

Part: B
Caught by: requeued-goes-before-new
"""


def recover(lost, waiting):
    return waiting[:1] + lost + waiting[1:]
