"""Who is given up on cannot disappoint.

Part: A
Caught by: who-just-spoke-lives
"""


def is_alive(worker, now):
    return False
