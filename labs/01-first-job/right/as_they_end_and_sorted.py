"""It takes them as they end, and puts each at its place."""


def first_jobs(client, numbers):
    waiting = {place: client.submit("Root", number) for place, number in enumerate(numbers)}
    answers = [None] * len(numbers)
    while waiting:
        for place, handle in list(waiting.items()):
            if handle.done():
                error = waiting.pop(place).exception()
                answers[place] = handle.result() if error is None else str(error)
    return answers
