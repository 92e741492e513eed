"""It asks for the error first, and for the result where there is none."""


def first_jobs(client, numbers):
    handles = [client.submit("Root", number) for number in numbers]
    errors = [handle.exception() for handle in handles]
    return [
        handle.result() if error is None else str(error)
        for handle, error in zip(handles, errors, strict=True)
    ]
