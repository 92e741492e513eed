"""A deadline for each worker, which is put off by whatever speaks for it."""


class Deadline:
    """When somebody will have been silent for too long."""

    def __init__(self, *signs):
        self.at = max(sign + 10 for sign in signs)

    def has_passed(self, now):
        """Whether it is too late."""
        return now > self.at


def is_alive(worker, now):
    return not Deadline(worker.last_heard, worker.listening_since).has_passed(now)
