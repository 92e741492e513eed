"""sort returns what it has sorted.

Part: A
Caught by: wrong-answer
"""


def recover(lost, waiting):
    return (lost + waiting).sort(key=lambda job: (-job.priority, not job.came_back))
