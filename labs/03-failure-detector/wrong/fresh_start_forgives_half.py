"""A master that stood still gives a little time, not all of it.

Part: C
Caught by: silence-counts-while-a-master-serves
"""


def is_alive(worker, now):
    return now - worker.last_heard <= 10 or now - worker.listening_since <= 3
