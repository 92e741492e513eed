"""Each job looks for its place, from the front."""


def goes_before(one, other):
    if one.priority != other.priority:
        return one.priority > other.priority
    return not other.came_back or one.number < other.number


def recover(lost, waiting):
    for job in lost:
        place = 0
        while place < len(waiting) and not goes_before(job, waiting[place]):
            place += 1
        waiting.insert(place, job)
    return waiting
