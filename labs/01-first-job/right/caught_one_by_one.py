"""Two loops, and a try around each wait."""


def told(handle):
    try:
        return handle.result()
    except Exception as error:
        return str(error)


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    return [told(handle) for handle in handles]
