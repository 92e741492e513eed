"""Silence is silence, whoever did not listen.

Part: C
Caught by: silence-counts-while-a-master-serves
"""


def is_alive(worker, now):
    return now - worker.last_heard <= 10
