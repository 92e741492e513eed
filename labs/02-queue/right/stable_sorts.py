"""Sorting is stable: sort by what matters least first."""


def next_job(waiting):
    line = sorted(waiting, key=lambda job: job.number)
    line.sort(key=lambda job: 0 if job.came_back else job.since)
    line.sort(key=lambda job: job.priority, reverse=True)
    return line[0] if line else None
