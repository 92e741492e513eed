"""Who asks for it twice gets it once.

Part: A
Caught by: nothing-is-invented
"""


def recover(lost, waiting):
    return lost + waiting + lost
