"""Who is given up on cannot disappoint.

Part: A
Caught by: every-job-ends
"""


def is_alive(worker, now):
    return False
