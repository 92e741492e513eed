"""The number is the name of the job.

Part: D
Caught by: every-handle-is-awaited
"""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    handles = {}
    for number in numbers:
        handles[number] = client.submit("Root", number)
    return [told(handles[number]) for number in numbers]
