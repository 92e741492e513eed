"""A line for each priority, in two halves."""


def recover(lost, waiting):
    line = []
    priorities = {job.priority for job in lost + waiting}
    for priority in sorted(priorities, reverse=True):
        peers = [job for job in lost + waiting if job.priority == priority]
        back = [job for job in peers if job.came_back]
        back.sort(key=lambda job: job.number)
        line += back + [job for job in peers if not job.came_back]
    return line
