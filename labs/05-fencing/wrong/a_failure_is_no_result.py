"""Only a result counts; a failure says nothing.

Part: A
Caught by: every-job-ends
"""


def accept(job, report):
    return report.succeeded and report.lease == job.lease
