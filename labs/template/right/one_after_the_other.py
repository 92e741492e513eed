"""Looks at one after the other, and keeps the better one."""


def pick(waiting):
    best = waiting[0]
    for job in waiting[1:]:
        longer = job.seconds > best.seconds
        equal = job.seconds == best.seconds
        if not longer and not (equal and job.number > best.number):
            best = job
    return best
