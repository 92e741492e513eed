"""A worker whose connection is closed has died.

Part: A
Caught by: the-living-are-not-buried
"""


def is_alive(worker, now):
    if not worker.connected:
        return False
    return now - max(worker.last_heard, worker.listening_since) <= 10
