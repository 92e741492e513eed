"""The lease is the job's current one, and comes from whom it was given to."""


def accept(job, report):
    if report.lease != job.lease:
        return False
    return (report.worker, report.incarnation) == (job.worker, job.incarnation)
