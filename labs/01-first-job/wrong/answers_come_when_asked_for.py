"""Round brackets around a comprehension make a list as well.

Part: A
Caught by: wrong-answer
"""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    return (answer_of(handle) for handle in handles)


def answer_of(handle):
    error = handle.exception()
    return handle.result() if error is None else str(error)
