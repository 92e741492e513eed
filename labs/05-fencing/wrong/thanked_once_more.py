"""What was accepted once is accepted once more.

Part: C
Caught by: moves-are-legal
"""

accepted = set()


def accept(job, report):
    holder = (report.worker, report.incarnation) == (job.worker, job.incarnation)
    if report.lease == job.lease and holder:
        accepted.add(report.lease)
    return report.lease in accepted
