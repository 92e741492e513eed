"""Nobody wants to know why it failed.

Part: C
Caught by: a-failure-is-told
"""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    return [None if handle.exception() else handle.result() for handle in handles]
