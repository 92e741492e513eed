"""The same number has the same job.

Part: D
Caught by: one-job-each
"""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    handles = {number: client.submit("Root", number) for number in set(numbers)}
    return [told(handles[number]) for number in numbers]
