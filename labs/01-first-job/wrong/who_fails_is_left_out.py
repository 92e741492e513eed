"""A failed job has no answer.

Part: C
Caught by: nothing-is-lost
"""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    return [handle.result() for handle in handles if handle.exception() is None]
