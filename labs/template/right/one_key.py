"""The smallest of all, by what is compared."""


def pick(waiting):
    return min(waiting, key=lambda job: (job.seconds, job.number))
