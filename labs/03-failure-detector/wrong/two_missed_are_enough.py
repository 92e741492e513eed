"""One heartbeat may get lost, and two do not.

Part: B
Caught by: the-living-are-not-buried
"""


def is_alive(worker, now):
    return now - max(worker.last_heard, worker.listening_since) <= 6.5
