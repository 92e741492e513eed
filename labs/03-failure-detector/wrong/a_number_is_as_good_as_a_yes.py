"""The seconds that it has left are as good as a yes.

Part: A
Caught by: wrong-answer
"""


def is_alive(worker, now):
    return 10 - (now - max(worker.last_heard, worker.listening_since))
