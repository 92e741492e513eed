"""Each job has to end before the next begins.

Part: B
Caught by: all-before-the-first-wait
"""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    return [told(client.submit("Root", number)) for number in numbers]
