"""Round brackets are as good as square ones.

Part: B
Caught by: all-before-the-first-wait
"""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    handles = (client.submit("Root", number) for number in numbers)
    return [told(handle) for handle in handles]
