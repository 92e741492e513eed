"""A lease that is not older than the job's is good.

Part: B
Caught by: moves-are-legal
"""


def accept(job, report):
    return report.lease >= job.lease
