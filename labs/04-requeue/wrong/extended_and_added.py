"""extend is a way to look at two lists.

Part: A
Caught by: nothing-is-invented
"""


def recover(lost, waiting):
    waiting.extend(lost)
    return lost + waiting
