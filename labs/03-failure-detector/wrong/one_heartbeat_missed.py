"""Heartbeats come every three seconds, so after four one is missing.

Part: B
Caught by: the-living-are-not-buried
"""


def is_alive(worker, now):
    return now - max(worker.last_heard, worker.listening_since) <= 4
