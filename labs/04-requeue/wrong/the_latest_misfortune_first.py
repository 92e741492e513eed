"""The oldest of those that came back just now is the oldest of all.

Part: C
Caught by: first-in-is-first-out
"""


def recover(lost, waiting):
    return sorted(lost, key=lambda job: job.number) + waiting
