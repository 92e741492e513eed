"""The longest first, and it is over with.

Part: A
Caught by: shortest-first
"""


def pick(waiting):
    return max(waiting, key=lambda job: (job.seconds, -job.number))
