"""Can it have run? Was it the last time? How long does it wait?"""


def what_next(job, how):
    if not how.reported and how.place >= how.slots:
        return False, 0.0
    attempts = job.attempts + 1
    if attempts >= job.max_attempts:
        return None
    return True, min(2.0 ** (attempts - 1), 8.0) if how.reported else 0.0
