"""What is not a yes is a no.

Part: B
Caught by: wrong-answer
"""


def accept(job, report):
    if report.lease == job.lease:
        return True
