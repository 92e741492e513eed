"""What time it is can be looked up.

Part: A
Caught by: real-clock
"""

import time


def is_alive(worker, now):
    return time.time() - worker.last_heard <= 10
