"""Either it was heard, or nobody has listened for long enough."""

TIMEOUT = 10.0


def is_alive(worker, now):
    heard_lately = now <= worker.last_heard + TIMEOUT
    if heard_lately:
        return True
    listened = now - worker.listening_since
    return listened <= TIMEOUT
