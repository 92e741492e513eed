"""Once dead, always dead.

Part: A
Caught by: the-living-are-not-buried
"""


dead = set()


def is_alive(worker, now):
    if now - max(worker.last_heard, worker.listening_since) > 10:
        dead.add(worker.name)
    return worker.name not in dead
