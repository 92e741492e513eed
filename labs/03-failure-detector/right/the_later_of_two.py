"""Silence counts from the later of two moments."""


def is_alive(worker, now):
    return now - max(worker.last_heard, worker.listening_since) <= 10
