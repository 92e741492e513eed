"""Put each at the front, the oldest first.

Part: C
Caught by: first-in-is-first-out
"""


def recover(lost, waiting):
    for job in sorted(lost, key=lambda job: job.number):
        waiting.insert(0, job)
    return waiting
