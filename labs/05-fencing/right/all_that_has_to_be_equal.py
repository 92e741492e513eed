"""Everything that has to be equal is."""


def accept(job, report):
    expected = "RUNNING", job.lease, job.worker, job.incarnation
    return expected == (job.status, report.lease, report.worker, report.incarnation)
