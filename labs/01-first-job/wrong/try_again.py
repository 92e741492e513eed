"""What failed was never tried again.

Part: D
Caught by: one-job-each
"""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    answers = []
    for number, handle in zip(numbers, handles, strict=True):
        if handle.exception() is not None:
            handle = client.submit("Root", number)
        answers.append(told(handle))
    return answers
