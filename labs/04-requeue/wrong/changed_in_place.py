"""A list that was changed is a list that was returned.

Part: A
Caught by: wrong-answer
"""


def recover(lost, waiting):
    waiting[:0] = lost
