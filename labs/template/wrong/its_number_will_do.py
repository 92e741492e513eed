"""The number of a job is as good as the job.

Part: A
Caught by: wrong-answer
"""


def pick(waiting):
    return min(waiting, key=lambda job: (job.seconds, job.number)).number
