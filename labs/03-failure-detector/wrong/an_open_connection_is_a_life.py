"""A worker whose connection is open lives.

Part: A
Caught by: the-dead-are-found
"""


def is_alive(worker, now):
    return worker.connected or now - max(worker.last_heard, worker.listening_since) <= 10
