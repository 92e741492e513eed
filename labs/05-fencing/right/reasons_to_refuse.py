"""One reason after the other to refuse it."""


def accept(job, report):
    if job.status != "RUNNING":
        return False  # cancelled, ended, or taken back: nobody has it
    if report.lease < job.lease:
        return False  # a zombie: somebody else was given the job since
    if report.lease > job.lease:
        return False  # from nowhere
    holder = job.worker, job.incarnation
    return holder == (report.worker, report.incarnation)
