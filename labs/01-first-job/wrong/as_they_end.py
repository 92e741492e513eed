"""Who ends first is the first.

Part: A
Caught by: in-the-order-asked
"""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    waiting = [client.submit("Root", number) for number in numbers]
    answers = []
    while waiting:
        for handle in list(waiting):
            if handle.done():
                answers.append(told(handle))
                waiting.remove(handle)
    return answers
