"""`reverse=True` turns the priorities around, and nothing else.

Part: A
Caught by: first-in-is-first-out
"""


def next_job(waiting):
    line = sorted(waiting, key=lambda job: (job.priority, job.since, job.number), reverse=True)
    return line[0]
