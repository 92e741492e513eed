"""``python -m nucleus.services.worker``: the same as ``nucleus worker``."""

from nucleus.services.worker.command import worker

worker()
