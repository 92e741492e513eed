"""After the first failure there is no use in going on.

Part: C
Caught by: nothing-is-lost
"""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    answers = []
    try:
        for handle in handles:
            answers.append(handle.result())
    except Exception as error:
        answers.append(str(error))
    return answers
