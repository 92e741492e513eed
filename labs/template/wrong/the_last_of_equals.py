"""Of two that are equal, the last one goes first.

Part: A
Caught by: shortest-first
"""


def pick(waiting):
    return min(waiting, key=lambda job: (job.seconds, -job.number))
