"""One sort of everything; what is equal stays in the order in which it was."""


def place(job):
    age = job.number if job.came_back else 0
    return -job.priority, not job.came_back, age


def recover(lost, waiting):
    return sorted(lost + waiting, key=place)
