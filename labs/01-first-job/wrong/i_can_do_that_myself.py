"""It does not matter who does the work.

Part: B
Caught by: one-job-each
"""


def first_jobs(client, numbers):
    return [round(number**0.5) for number in numbers]
