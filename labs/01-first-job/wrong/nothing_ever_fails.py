"""A job that was submitted will complete.

Part: C
Caught by: nothing-is-lost
"""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    return [handle.result() for handle in handles]
