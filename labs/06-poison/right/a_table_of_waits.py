"""The waits stand in a table, and failures and losses are two functions."""

WAITS = [1, 2, 4, 8]


def after_failure(job):
    if job.attempts + 1 == job.max_attempts:
        return None
    return (True, WAITS[min(job.attempts, len(WAITS) - 1)])


def after_loss(job, can_have_run):
    if not can_have_run:
        return (False, 0)
    return None if job.attempts + 1 == job.max_attempts else (True, 0)


def what_next(job, how):
    if how.reported:
        return after_failure(job)
    return after_loss(job, how.place in range(how.slots))
