"""A worker whose connection is closed has died.

Part: A
Caught by: who-just-spoke-lives
"""


def is_alive(worker, now):
    if not worker.connected:
        return False
    return now - max(worker.last_heard, worker.listening_since) <= 10
