"""Once dead, always dead.

Part: A
Caught by: who-just-spoke-lives
"""

dead = set()


def is_alive(worker, now):
    if now - max(worker.last_heard, worker.listening_since) > 10:
        dead.add(worker.name)
    return worker.name not in dead
