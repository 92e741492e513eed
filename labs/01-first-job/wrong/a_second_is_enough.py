"""No job takes longer than a second.

Part: A
Caught by: raised
"""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    return [handle.result(timeout=1) for handle in handles]
