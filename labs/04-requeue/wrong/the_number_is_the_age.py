"""Whoever has the smaller number has waited longer.

Part: D
Caught by: first-in-is-first-out
"""


def recover(lost, waiting):
    return sorted(lost + waiting, key=lambda job: (-job.priority, not job.came_back, job.number))
