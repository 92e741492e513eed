"""A worker that joined is alive.

Part: A
Caught by: the-dead-are-found
"""


def is_alive(worker, now):
    return True
