"""What was handed out is done.

Part: C
Caught by: every-job-ends
"""

handed_out = set()


def next_job(waiting):
    waiting = [job for job in waiting if job.number not in handed_out]
    if not waiting:
        return None
    job = min(waiting, key=lambda job: (-job.priority, job.since, job.number))
    handed_out.add(job.number)
    return job
