"""Who knows the number of the lease holds it.

Part: D
Caught by: results-come-from-the-holder
"""


def accept(job, report):
    return report.lease == job.lease
