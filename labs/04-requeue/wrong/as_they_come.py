"""They come back in the order in which they are to go.

Part: C
Caught by: first-in-is-first-out
"""


def recover(lost, waiting):
    return lost + waiting
