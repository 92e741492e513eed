"""Who comes back joins the line at its end.

Part: B
Caught by: requeued-goes-before-new
"""


def recover(lost, waiting):
    return waiting + lost
