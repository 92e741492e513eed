"""What came back goes before all others, whatever their priority.

Part: D
Caught by: priority-goes-first
"""


def recover(lost, waiting):
    back = lost + [job for job in waiting if job.came_back]
    back.sort(key=lambda job: (-job.priority, job.number))
    return back + [job for job in waiting if not job.came_back]
