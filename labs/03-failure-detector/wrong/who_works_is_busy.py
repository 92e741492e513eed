"""A worker that runs a job has no time to say so.

Part: A
Caught by: the-dead-are-found
"""


def is_alive(worker, now):
    return worker.running > 0 or now - max(worker.last_heard, worker.listening_since) <= 10
