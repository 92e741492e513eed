"""Jobs can be compared as they are.

Part: A
Caught by: raised
"""


def pick(waiting):
    return min(waiting)
