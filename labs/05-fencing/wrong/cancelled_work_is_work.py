"""The work is done, so it may as well count.

Part: D
Caught by: moves-are-legal
"""


def accept(job, report):
    holder = job.worker, job.incarnation
    if job.status == "CANCELLED":
        return holder == (report.worker, report.incarnation)
    return report.lease == job.lease and holder == (report.worker, report.incarnation)
