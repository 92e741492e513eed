"""One more heartbeat may come, so wait a little longer.

Part: A
Caught by: the-dead-are-found
"""


def is_alive(worker, now):
    return now - max(worker.last_heard, worker.listening_since) <= 12
