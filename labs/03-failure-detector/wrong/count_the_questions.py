"""Forty questions of a quarter of a second are ten seconds.

Part: C
Caught by: silence-counts-while-a-master-serves
"""

asked = {}


def is_alive(worker, now):
    last, times = asked.get(worker.name, (worker.last_heard, 0))
    times = times + 1 if last == worker.last_heard else 0
    asked[worker.name] = worker.last_heard, times
    return times < 40
