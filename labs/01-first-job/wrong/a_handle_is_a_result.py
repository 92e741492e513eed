"""What submit returns is the result.

Part: A
Caught by: wrong-answer
"""


def first_jobs(client, numbers):
    return [client.submit("Root", number) for number in numbers]
